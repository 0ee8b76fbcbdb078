import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
    // Two files are tested at a time; threads that wait for work by spinning would take it from each other.
    env: { SUTURE_THREADS: '1' },
  },
});
