import { defineConfig } from 'vitest/config';

/** Tests that want a process of their own, as they change what a process has. */
const apart = ['test/runtime/adapter/**', 'test/src/cli/process.test.ts', 'test/src/training/room.test.ts'];

const common = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks',
  // Two files are tested at a time; threads that wait for work by spinning would take it from each other.
  env: { SUTURE_THREADS: '1' },
} as const;

export default defineConfig({
  test: {
    maxWorkers: 2,
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
