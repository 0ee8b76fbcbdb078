import { defineConfig } from 'vitest/config';

/** Tests that open a device, change what a process has, or want one of their own. */
const apart = [
  'test/runtime/**',
  'test/conformance/webgpu.test.ts',
  'test/src/api/{inspect-run,lower}.test.ts',
  'test/src/cli/**',
  'test/src/execution/profiling.test.ts',
  'test/src/run/failures.test.ts',
  'test/src/training/{executors,room}.test.ts',
];

const common = {
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks',
  setupFiles: 'test/seed.ts',
  // Two files are tested at a time; threads that wait for work by spinning would take it from each other.
  env: { SUTURE_THREADS: '1' },
} as const;

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      // Modules are loaded once for all files: nothing here is left behind in them.
      { test: { ...common, name: 'together', include: ['test/**/*.test.ts'], exclude: apart, isolate: false } },
      { test: { ...common, name: 'apart', include: apart.map(p => (p.endsWith('**') ? `${p}/*.test.ts` : p)) } },
    ],
  },
});
