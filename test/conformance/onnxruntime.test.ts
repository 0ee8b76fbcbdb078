/**
 * ONNX's backend tests through import, export and ONNX Runtime, and on the evaluation in JavaScript, which folds constants and is the
 * reference of kernels. What the vocabulary can't express must be refused in the proper way; what ONNX Runtime can't run in the test's own
 * form either is left out.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { importOnnx } from '../../ir/onnx/file.ts';
import { decodeMessage, decodeModel } from '../../ir/onnx/proto/codec.ts';
import { readTensor } from '../../ir/onnx/tensor.ts';
import { tensorFromNumbers } from '../../ir/tensor.ts';
import { evaluateGraph } from '../ir/evaluate/graph.ts';
import { differenceOf } from './difference.ts';
import {
  type ConformanceCase,
  conformanceCases,
  conformancePresent,
  type Executor,
  lightModels,
  type Outcome,
  runCase,
} from './harness.ts';
import { runInOnnxRuntime } from './onnxruntime.ts';

/** How many of the tests can be expressed, as ONNX Runtime and the evaluation run them; raise it when the vocabulary grows. */
const EXPRESSIBLE = 675;
const EVALUATED = 677;

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

const evaluated: Executor = async (graph, inputs) => {
  const results = evaluateGraph(graph, Object.fromEntries(inputs));
  return graph.outputs.map(output => results.get(output.name)!);
};

describe.skipIf(!conformancePresent)('the backend tests of ONNX', () => {
  const outcomes = new Map<Outcome['kind'], string[]>();
  afterAll(() => {
    const counts = [...outcomes].map(([kind, names]) => `${names.length} ${kind}`);
    console.log(`ONNX backend tests: ${counts.join(', ')}`);
  });

  test('give the expected numbers, or are refused', async () => {
    const failures: string[] = [];
    let passed = 0;
    for (const given of conformanceCases()) {
      const executors = [runInOnnxRuntime, evaluated] as const;
      let [outcome, inJavaScript] = await runCase(given, executors, { relative: 1e-3, absolute: 1e-5 });
      if (inJavaScript.kind === 'passed') passed++;
      else if (inJavaScript.kind !== 'refused' && !randomByDesign(given.name)) {
        failures.push(`${given.name} ${inJavaScript.kind} in JavaScript: ${inJavaScript.reason}`);
      }
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
    expect(passed).toBeGreaterThanOrEqual(EVALUATED);
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
