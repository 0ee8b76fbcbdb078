import { type Tensor, tensorFromNumbers } from '../../ir/index.ts';
import type { Stitch, SuperNetwork } from './network.ts';
import type { AffineMap } from './ridge.ts';

/** StitchParameters of stitches by the name of the graph input that takes them. */
export type StitchParameters = ReadonlyMap<string, Tensor>;

/**
 * Random weights and biases, uniform in ±1/√C_in: Kaiming's (arXiv 1502.01852) with a = √5, as PyTorch starts a convolution.
 *
 * @param random numbers in [0, 1), drawn in the order of the stitches.
 */
export function kaimingStitches(network: SuperNetwork, random: () => number): StitchParameters {
  return parametersOf(network, stitch => randomMap(stitch, random));
}

/** The identity where both features have as many channels, random (as `kaimingStitches`) elsewhere. */
export function identityStitches(network: SuperNetwork, random: () => number): StitchParameters {
  return parametersOf(network, stitch => {
    const { inputChannels: c, outputChannels: m } = stitch;
    if (c !== m) return randomMap(stitch, random);
    const weight = Float64Array.from({ length: c * c }, (_, i) => (i % (c + 1) === 0 ? 1 : 0));
    return { weight, bias: new Float64Array(c) };
  });
}

function randomMap({ inputChannels, outputChannels }: Stitch, random: () => number): AffineMap {
  const bound = 1 / Math.sqrt(inputChannels);
  const draw = (length: number) => Float64Array.from({ length }, () => (2 * random() - 1) * bound);
  return { weight: draw(outputChannels * inputChannels), bias: draw(outputChannels) };
}

/** An affine map for each stitch, as the tensors that the graph takes. */
export const parametersOf = (
  { stitches }: Pick<SuperNetwork, 'stitches'>,
  map: (stitch: Stitch) => AffineMap,
): StitchParameters => new Map(stitches.flatMap(stitch => parameterTensors(stitch, map(stitch))));

/** An affine map as the tensors that a stitch takes, by name. */
export function parameterTensors(
  { source, weight, bias, inputChannels, outputChannels }: Stitch,
  map: AffineMap,
): readonly (readonly [string, Tensor])[] {
  const { dtype } = source.type;
  return [
    [weight, tensorFromNumbers(dtype, [outputChannels, inputChannels], map.weight)],
    [bias, tensorFromNumbers(dtype, [outputChannels], map.bias)],
  ];
}
