/** What a program in TypeScript that uses the package is given, compiled strictly and with every declaration checked. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

// Below the package, so that dependencies are found from there.
const folder = join('dist', '.declarations');
const offered = JSON.parse(await readFile('package.json', 'utf8')) as {
  readonly name: string;
  readonly exports: Readonly<Record<string, { readonly types: string }>>;
};
const tsc = (...args: readonly string[]) =>
  promisify(execFile)(join('node_modules', '.bin', 'tsc'), args, { maxBuffer: 2 ** 26 });

beforeAll(async () => {
  await mkdir(folder, { recursive: true });
  // With a record of its own: by that of the build, only what has changed since would be written.
  const record = join(folder, 'tsbuildinfo');
  await tsc(
    '-p',
    'tsconfig.build.json',
    '--emitDeclarationOnly',
    '--noCheck',
    '--outDir',
    folder,
    '--tsBuildInfoFile',
    record,
  );
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
const wrong = "import { importOnnx } from 'suture';\nexport const wrong: number = importOnnx('a.onnx').graph;";

/**
 * Compiles a program, and a wrong one beside it; returns what is said. The types of Node are there, those of WebGPU and of a browser only
 * where `lib` has them.
 */
async function compile(program: string, lib: readonly string[]): Promise<readonly string[]> {
  await writeFile(join(folder, 'program.ts'), program);
  await writeFile(join(folder, 'wrong.ts'), wrong);
  const compilerOptions = {
    ...{ target: 'ES2023', module: 'NodeNext', lib, types: ['node'], strict: true, exactOptionalPropertyTypes: true },
    ...{ skipLibCheck: false, noEmit: true, paths },
  };
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['program.ts', 'wrong.ts'] }),
  );
  const said = await tsc('-p', folder, '--pretty', 'false').then(
    ({ stdout }) => stdout,
    error => (error as { stdout: string }).stdout,
  );
  return said.split('\n').filter(line => /^\S/.test(line));
}

/** The program of a page of the documents. */
const programOf = async (file: string): Promise<string> =>
  /```ts\n([\s\S]*?)```/.exec(await readFile(file, 'utf8'))![1];

it.each([
  ['README.md', ['ES2023']],
  ['README.md', ['ES2023', 'DOM']],
  ['docs/web.md', ['ES2023', 'DOM']],
])('the program in %s compiles with %j, and a wrong one does not', async (file, lib) => {
  const program = await programOf(file);
  expect(program).toMatch(/from 'suture(\/web)?'/);
  expect(await compile(program, lib)).toEqual([
    expect.stringMatching(/wrong\.ts\(2,14\): error .*not assignable to type 'number'/),
  ]);
});
