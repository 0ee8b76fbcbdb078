import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests that want a process of their own, as they change what a process has. */
const apart = ['test/runtime/adapter/**', 'test/src/cli/process.test.ts', 'test/src/training/room.test.ts'];

const common = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks',
  // Files are tested side by side; threads that wait for work by spinning would take it from each other.
  env: { SUTURE_THREADS: '1' },
} as const;

export default defineConfig({
  test: {
    // One more than there are processors: some tests wait for processes, a browser or Slurm. Each worker holds half a gigabyte.
    maxWorkers: Math.min(8, availableParallelism() + 1),
    projects: [
      // Modules are loaded once for all files: nothing here is left behind in them.
      {
        test: {
          ...common,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: apart,
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
