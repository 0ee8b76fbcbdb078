import { expect, it } from 'vitest';
import { exportOnnx, GraphBuilder } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { type Needs, needsMetadata, needsOf, needsTexts } from '../../../src/network/needs.ts';

const resampling = { order: 3, orderZ: 0, separateZ: undefined } as const;

const needs: Needs = {
  plans: {
    ...{ source: 'network.onnx', configuration: '3d_fullres', spacing: [2.5, 0.8, 0.8], patchSize: [16, 64, 64] },
    transpose: [1, 0, 2],
    normalizations: [
      { scheme: 'CTNormalization', masked: false, foreground: { mean: 40, std: 20.5, low: -100, high: 3e38 } },
      { scheme: 'ZScoreNormalization', masked: true },
    ],
    resampling: { images: resampling, labels: { ...resampling, order: 1, separateZ: true }, outputs: undefined },
    mirrorAxes: [0, 2],
  },
  names: { channels: ['CT', 'PET'], labels: { background: 0, tumour: [1, 2], core: 2 }, regionsClassOrder: [1, 2] },
};

const network = (metadata: Readonly<Record<string, string>>) => {
  const to = new GraphBuilder('network', { metadata });
  to.output('y', to.op('Neg', [to.input('x', { dtype: 'float32', shape: [1, 2, 4] })]));
  return importOnnx(exportOnnx(to.build())).graph;
};

it('comes back from the file that says it', () => {
  expect(needsOf(network(needsMetadata(needs)), 'network.onnx')).toEqual(needs);
  expect(needsOf(network({}), 'network.onnx')).toEqual({});
});

it('is refused where a file says something else in its place', () => {
  expect(() => needsOf(network({ 'suture.plans': 'none' }), 'network.onnx')).toThrow(
    /network.onnx: these are no plans/,
  );
});

it('is said in words', () => {
  expect(needsTexts(needs)).toEqual([
    'It takes cases axes of space in the order 1, 0, 2; cropped to where some channel is not zero; intensities channel 0 clipped and ' +
      'standardised (-100 to 3e+38, mean 40, deviation 20.5), channel 1 zero mean and unit deviation of each case, where a case is not zero; ' +
      'resampled to 2.5 × 0.8 × 0.8 mm; in windows of 16 × 64 × 64.',
    'Its channels are CT, PET.',
    'Labels: 0 background, 1+2 tumour, 2 core.',
  ]);
});
