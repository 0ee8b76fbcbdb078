/** A part of ONNX's backend tests on WebGPU; all of them with SUTURE_CONFORMANCE=all. */
import { expect, test } from 'vitest';
import { createWebgpuExecutor } from '../../runtime/index.ts';
import { conformanceCases, conformancePresent, runCase } from './harness.ts';
import { runOnWebgpu } from './webgpu.ts';

/** Every so many tests one is run, and so many of the whole pass at least. */
const sample = process.env.SUTURE_CONFORMANCE === 'all' ? { every: 1, passing: 673 } : { every: 17, passing: 37 };

/** These ask for the random numbers of one generator; a graph is read as inference. */
const randomByDesign = (name: string): boolean => name.startsWith('test_training_dropout');

test.skipIf(!conformancePresent)(
  'backend tests of ONNX give the expected numbers on WebGPU, or are refused',
  async () => {
    const executor = await createWebgpuExecutor();
    const run = runOnWebgpu(executor);
    const failures: string[] = [];
    let passed = 0;
    for (const given of conformanceCases().filter((_, i) => i % sample.every === 0)) {
      const [outcome] = await runCase(given, [run] as const, { relative: 1e-3, absolute: 1e-5 });
      if (outcome.kind === 'passed') passed++;
      else if ((outcome.kind === 'wrong' && !randomByDesign(given.name)) || outcome.kind === 'crashed') {
        failures.push(`${given.name} ${outcome.kind}: ${outcome.reason}`);
      }
    }
    executor.dispose();
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThanOrEqual(sample.passing);
  },
  600_000,
);
