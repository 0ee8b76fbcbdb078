import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests that want a process of their own, as they change what a process has. */
const apart = ['test/runtime/adapter/**', 'test/src/cli/process.test.ts', 'test/src/training/room.test.ts'];

/** Tests that start processes or a browser: a process that holds little memory starts others soonest. */
const starting = [
  'test/built.test.ts',
  'test/package.test.ts',
  'test/ir/onnx/roundtrip.test.ts',
  'test/src/report/command.test.ts',
  'test/src/run/lock.test.ts',
  'test/src/study/{processes,slurm,snakemake,submit}.test.ts',
  'test/chromium.test.ts',
];

const common = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks' as const,
  // Most code runs a few times here: V8 would take a third of the time to optimise it.
  execArgv: ['--interrupt-budget=300000', '--max-inlined-bytecode-size-cumulative=200', '--no-flush-bytecode'],
  // Files are tested side by side; threads that wait for work by spinning would take it from each other.
  env: { SUTURE_THREADS: '1' },
};

export default defineConfig({
  test: {
    // What TypeScript became is kept under node_modules by its content: the next run finds it there.
    experimental: { fsModuleCache: true },
    // One more than there are processors: some tests wait for processes, a browser or Slurm. Each worker holds half a gigabyte.
    maxWorkers: Math.min(8, availableParallelism() + 1),
    projects: [
      // Modules are loaded once for all files: nothing here is left behind in them.
      {
        test: {
          ...common,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...apart, ...starting],
          isolate: false,
          setupFiles: ['test/seed.ts', 'test/sessions.ts'],
        },
      },
      // The same, in workers of their own. Playwright follows every promise of its process from then on, which makes them dear.
      {
        test: {
          ...common,
          name: 'starting',
          include: starting,
          isolate: false,
          setupFiles: ['test/seed.ts', 'test/sessions.ts'],
        },
      },
      {
        test: {
          ...common,
          name: 'apart',
          include: apart.map(p => (p.endsWith('**') ? `${p}/*.test.ts` : p)),
          setupFiles: 'test/seed.ts',
        },
      },
    ],
  },
});
