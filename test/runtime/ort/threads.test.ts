import { afterEach, expect, it, vi } from 'vitest';
import { createOrtExecutor } from '../../../runtime/index.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

it('threads are those that are given, else those of SUTURE_THREADS, which must be a number of them', () => {
  vi.stubEnv('SUTURE_THREADS', '3');
  expect(createOrtExecutor({ threads: 1 }).describe()).toBe('ONNX Runtime on the CPU (1 thread)');
  expect(createOrtExecutor().describe()).toBe('ONNX Runtime on the CPU (3 threads)');
  vi.stubEnv('SUTURE_THREADS', 'many');
  expect(() => createOrtExecutor()).toThrow('SUTURE_THREADS is "many"; it must be a number of threads, such as 4.');
  vi.stubEnv('SUTURE_THREADS', '');
  expect(createOrtExecutor().describe()).toBe('ONNX Runtime on the CPU');
});
