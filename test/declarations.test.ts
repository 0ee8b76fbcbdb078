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
const tsc = (...args: readonly string[]) => promisify(execFile)('npx', ['tsc', ...args], { maxBuffer: 2 ** 26 });

beforeAll(async () => {
  await mkdir(folder, { recursive: true });
  await tsc('-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--noCheck', '--outDir', folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the package offers, by the specifiers that programs write. */
const paths = Object.fromEntries(
  Object.entries(offered.exports).map(([path, { types }]) => [
    path.replace('.', offered.name),
    [resolve(types.replace('./dist', folder))],
  ]),
);

/** Compiles a program; the types of Node are there, those of WebGPU and of a browser only where `lib` has them. */
async function compile(program: string, lib: readonly string[]): Promise<string> {
  await writeFile(join(folder, 'program.ts'), program);
  const compilerOptions = {
    ...{ target: 'ES2023', module: 'NodeNext', lib, types: ['node'], strict: true, exactOptionalPropertyTypes: true },
    ...{ skipLibCheck: false, noEmit: true, paths },
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
  return tsc('-p', folder).then(
    () => '',
    error => (error as { stdout: string }).stdout,
  );
}

it.each([[['ES2023']], [['ES2023', 'DOM']]])("the README's program compiles with %j", async lib => {
  const [, program] = /```ts\n([\s\S]*?)```/.exec(await readFile('README.md', 'utf8')) ?? [];
  expect(program).toContain("from 'suture'");
  expect(await compile(program, lib)).toBe('');
});

it('a wrong program does not', async () => {
  const program = "import { importOnnx } from 'suture';\nexport const wrong: number = importOnnx('a.onnx').graph;";
  expect(await compile(program, ['ES2023'])).toContain("not assignable to type 'number'");
});
