/** ONNX's backend tests on the evaluation in JavaScript, which folds constants and is the reference of kernels. */
import { describe, expect, test } from 'vitest';
import { evaluateGraph } from '../ir/evaluate/graph.ts';
import { conformanceCases, conformancePresent, type Executor, runCase } from './harness.ts';

/** How many of the tests can be expressed, which is how many are evaluated; raise it when the vocabulary grows. */
const EVALUATED = 677;

const evaluated: Executor = async (graph, inputs) => {
  const results = evaluateGraph(graph, Object.fromEntries(inputs));
  return graph.outputs.map(output => results.get(output.name)!);
};

describe.skipIf(!conformancePresent)('the backend tests of ONNX, evaluated', () => {
  test('give the expected numbers wherever they can be expressed', async () => {
    const failures: string[] = [];
    let passed = 0;
    for (const given of conformanceCases()) {
      // These ask for the random numbers of one generator; a graph is read as inference.
      if (given.name.startsWith('test_training_dropout')) continue;
      const outcome = await runCase(given, evaluated, { relative: 1e-3, absolute: 1e-5 });
      if (outcome.kind === 'passed') passed++;
      else if (outcome.kind !== 'refused') {
        failures.push(`${given.name} ${outcome.kind}: ${outcome.reason}`);
      }
    }
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThanOrEqual(EVALUATED);
  });
});
