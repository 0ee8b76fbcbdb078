/**
 * What is compiled: a library that Node loads, and declarations for programs in TypeScript, compiled strictly and with every declaration
 * checked. The program itself is started by other tests (`program.ts`).
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startFile } from './program.ts';
import { smallParents } from './src/cli/small.ts';
import { scratch } from './src/cli/support.ts';

// Below the package, so that dependencies are found from there.
const folder = join('dist', '.built');
const offered = JSON.parse(await readFile('package.json', 'utf8')) as {
  readonly name: string;
  readonly exports: Readonly<Record<string, { readonly types: string }>>;
};
/** The compiler, which is gone before it has to collect garbage: that would take it a fourth of its time. */
const tsc = (...args: readonly string[]) =>
  promisify(execFile)(join('node_modules', '.bin', 'tsc'), args, {
    maxBuffer: 2 ** 26,
    env: { ...process.env, GOGC: 'off' },
  });

beforeAll(async () => {
  await mkdir(folder, { recursive: true });
  // With a record of its own: by that of the build, only what has changed since would be written.
  const record = join(folder, 'tsbuildinfo');
  await tsc('-p', 'tsconfig.build.json', '--noCheck', '--outDir', folder, '--tsBuildInfoFile', record);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the package offers, by the specifiers that programs write. */
const paths = Object.fromEntries(
  Object.entries(offered.exports).map(([path, { types }]) => [
    path.replace('.', offered.name),
    [resolve(types.replace('./dist', folder))],
  ]),
);

/** What a wrong program is told, so that a right one is not found right by a compiler that looks at nothing. */
const wrong = "import { importOnnx } from 'suture/ir';\nexport const wrong: number = importOnnx('a.onnx').graph;";

/** The program of a page of the documents. */
const programOf = async (file: string): Promise<string> =>
  /```ts\n([\s\S]*?)```/.exec(await readFile(file, 'utf8'))![1];

it('the programs of the documents compile, with the types of Node alone, and a wrong one does not', async () => {
  const files = new Map([['wrong.ts', wrong]]);
  for (const page of ['README.md', 'docs/web.md']) {
    const program = await programOf(page);
    expect(program).toMatch(/from 'suture(\/web)?'/);
    files.set(page.replace(/^.*\/|\.md$/g, '').concat('.ts'), program);
  }
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  const compilerOptions = {
    ...{ target: 'ES2023', module: 'NodeNext', lib: ['ES2023'], types: ['node'], strict: true },
    ...{ exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true, paths },
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [...files.keys()] }));
  const said = await tsc('-p', folder, '--pretty', 'false').then(
    ({ stdout }) => stdout,
    error => (error as { stdout: string }).stdout,
  );
  expect(said.split('\n').filter(line => /^\S/.test(line))).toEqual([
    expect.stringMatching(/wrong\.ts\(2,14\): error .*not assignable to type 'number'/),
  ]);
});

it('the declarations add nothing to what a program has already, as a page has types of its own', async () => {
  const names = await readdir(folder, { recursive: true });
  const declarations = names.filter(name => name.endsWith('.d.ts'));
  expect(declarations.length).toBeGreaterThan(100);
  for (const name of declarations)
    expect(await readFile(join(folder, name), 'utf8'), name).not.toMatch(/^\s*(declare global|\/\/\/ <reference)/m);
});

it('the library is loaded by Node', async () => {
  const [a, b] = await smallParents(await scratch());
  const file = join(folder, 'matching.js');
  const networks = JSON.stringify([a, b]);
  await writeFile(
    file,
    `import { match } from './src/index.js';\nconsole.log((await match(${networks})).pairs.length);`,
  );
  expect(await startFile(file, []).ended).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^[1-9]/),
    stderr: '',
  });
});
