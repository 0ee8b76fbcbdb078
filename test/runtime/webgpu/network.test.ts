import { describe, expect, it } from 'vitest';
import { numbersOf } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { arrange, simplify, specialize } from '../../../passes/index.ts';
import { executors, filled } from '../oracle.ts';

describe('a parent of the demo', () => {
  it('gives on WebGPU what it gives on ONNX Runtime', async () => {
    const { graph } = importOnnx(new URL('../../../fixtures/demo/parent_a.onnx', import.meta.url).pathname);
    const [input] = graph.inputs;
    const [output] = graph.outputs;
    const batch = input.type.shape[0];
    const bound = simplify(specialize(graph, typeof batch === 'number' ? {} : { [batch.key]: 1 }));
    const shape = bound.inputs[0].type.shape as readonly number[];
    const inputs = { [input.name]: filled('float32', shape, 7) };
    const { webgpu, ort } = await executors();
    const [ours, theirs] = [await webgpu.prepare(arrange(bound)), await ort.prepare(graph)];
    const [a, b] = [
      numbersOf((await ours.run(inputs))[output.name]),
      numbersOf((await theirs.run(inputs))[output.name]),
    ];
    const largest = Math.max(...Array.from(b, Math.abs));
    const worst = Math.max(...Array.from(b, (v, i) => Math.abs(v - a[i])));
    expect(worst / largest).toBeLessThan(1e-5);
    ours.dispose();
    theirs.dispose();
  }, 240_000);
});
