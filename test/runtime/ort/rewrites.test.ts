import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../ir/index.ts';
import { exportModel } from '../../../ir/onnx/export.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { decodeModel, encodeModel } from '../../../ir/onnx/proto/codec.ts';
import {
  doubleBatch,
  inlineBodies,
  kernelGradientsAsProducts,
  match,
  simplify,
  specialize,
  stitch,
  trainingStep,
} from '../../../passes/index.ts';
import { onnxRuntime } from '../../../runtime/ort/onnxruntime.ts';
import { idleRewrites } from '../../../runtime/ort/rewrites.ts';
import { smallParents } from '../../src/cli/small.ts';
import { scratch } from '../../src/cli/support.ts';

/** The nodes that ONNX Runtime makes of a graph, with all rewrites and without those that are idle: what they make of what. Their order and names are those of a hash table. */
async function rewritten(graph: Graph): Promise<readonly (readonly string[])[]> {
  const model = exportModel(graph);
  const bytes = encodeModel(model);
  const folder = await scratch();
  const files = [[], idleRewrites(model)].map(async (without, i) => {
    const file = join(folder, `${i}.onnx`);
    const session = await onnxRuntime().InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
      intraOpNumThreads: 1,
      optimizedModelFilePath: file,
      extra: { optimization: { disable_specified_optimizers: without.join(';') } },
    });
    await session.release();
    const nodes = decodeModel(await readFile(file)).graph?.node ?? [];
    const text = (message: object): string =>
      JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    return nodes
      .map(({ opType, domain, input, output, attribute }) =>
        text({ opType, domain, input, output, attribute: attribute.map(text).toSorted() }),
      )
      .toSorted();
  });
  return Promise.all(files);
}

const fixture = (name: string): Graph => importOnnx(join('fixtures', 'models', `${name}.onnx`)).graph;

describe('rewrites of ONNX Runtime that are left out', () => {
  it.each(['unet_plain_17', 'resnet18_13', 'vit_17', 'convnext_17', 'segformer_17', 'shufflenet_13'])(
    'would have changed nothing in %s',
    async name => {
      const [all, fewer] = await rewritten(fixture(name));
      expect(fewer).toEqual(all);
    },
  );

  it('would have changed nothing in a training step', async () => {
    const [a, b] = (await smallParents(await scratch(), [[3], [2, 3]])).map(file => importOnnx(file).graph);
    const parents = [
      { tag: 'a', graph: a },
      { tag: 'b', graph: b },
    ];
    const { graph } = trainingStep(doubleBatch(stitch(parents, match(a, b).pairs)), { steps: 2 });
    const step = kernelGradientsAsProducts(inlineBodies(simplify(specialize(graph, { N: 2 }))));
    const [all, fewer] = await rewritten(step);
    expect(fewer).toEqual(all);
  });

  it('are those that look for operators which a model does not have', () => {
    const model = exportModel(fixture('resnet18_13'));
    const idle = idleRewrites(model);
    expect(idle).toContain('GeluFusionL2');
    expect(idle).not.toContain('ConvActivationFusion');
  });
});
