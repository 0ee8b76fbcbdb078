/**
 * ONNX's backend tests through import, export and ONNX Runtime. What the vocabulary can't express must be refused in the
 * proper way; what ONNX Runtime can't run in the test's own form either is left out.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { importOnnx } from '../../ir/onnx/file.ts';
import { decodeMessage, decodeModel } from '../../ir/onnx/proto/codec.ts';
import { readTensor } from '../../ir/onnx/tensor.ts';
import { tensorFromNumbers } from '../../ir/tensor.ts';
import { differenceOf } from './difference.ts';
import {
  type ConformanceCase,
  conformanceCases,
  conformancePresent,
  lightModels,
  type Outcome,
  runCase,
} from './harness.ts';
import { runInOnnxRuntime } from './onnxruntime.ts';

/** How many of the tests can be expressed; raise it when the vocabulary grows. */
const EXPRESSIBLE = 675;

/** These ask for the random numbers of one generator; a graph is read as inference. */
const randomByDesign = (name: string): boolean => name.startsWith('test_training_dropout');

async function runsByItself(given: ConformanceCase): Promise<boolean> {
  try {
    const { graph } = decodeModel(given.model);
    const tensors = given.data[0].inputs.map(bytes => readTensor(decodeMessage('TensorProto', bytes, 'The tensor')));
    await runInOnnxRuntime(given.model, new Map(graph?.input.map((v, i) => [v.name ?? '', tensors[i]])));
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!conformancePresent)('the backend tests of ONNX', () => {
  const outcomes = new Map<Outcome['kind'], string[]>();
  afterAll(() => {
    const counts = [...outcomes].map(([kind, names]) => `${names.length} ${kind}`);
    console.log(`ONNX backend tests: ${counts.join(', ')}`);
  });

  test('give the expected numbers, or are refused', async () => {
    const failures: string[] = [];
    for (const given of conformanceCases()) {
      let outcome = await runCase(given, runInOnnxRuntime, { relative: 1e-3, absolute: 1e-5 });
      if (outcome.kind === 'crashed' && !(await runsByItself(given))) {
        outcome = { kind: 'unsupported', reason: outcome.reason };
      }
      outcomes.set(outcome.kind, [...(outcomes.get(outcome.kind) ?? []), given.name]);
      if (outcome.kind === 'crashed' || (outcome.kind === 'wrong' && !randomByDesign(given.name))) {
        failures.push(`${given.name} ${outcome.kind}: ${outcome.reason}`);
      }
    }
    expect(failures).toEqual([]);
    expect(outcomes.get('passed')?.length).toBeGreaterThanOrEqual(EXPRESSIBLE);
  });

  test('hold well-known architectures, which give the expected numbers', async () => {
    for (const { name, path, expected } of lightModels()) {
      const { graph } = importOnnx(path);
      const [input] = graph.inputs;
      const shape = input.type.shape as readonly number[];
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from({ length: count }, (_, i) => i / count);
      const [actual] = await runInOnnxRuntime(
        graph,
        new Map([[input.name, tensorFromNumbers('float32', shape, values)]]),
      );
      expect(differenceOf(actual, expected, { relative: 1e-3, absolute: 1e-7 }), name).toBeUndefined();
    }
  });
});
