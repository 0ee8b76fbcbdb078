/** Joining parents into a super-network: what it is, how it is built, how its stitches start. */

export { gateOutput, gateSmoothing, isGateable, leastError, requireGateable, settleGated } from './stitch/gate.ts';
export { identityStitches, kaimingStitches, parametersOf, type StitchParameters } from './stitch/initial.ts';
export type { TaggedGraph } from './stitch/inputs.ts';
export { type StitchOptions, stitch } from './stitch/join.ts';
export {
  type Activation,
  activations,
  type MeaningHints,
  meaningOf,
  meaningText,
  type OutputKind,
  type OutputMeaning,
  outputKinds,
  type Task,
} from './stitch/meaning.ts';
export * from './stitch/network.ts';
export type { OutputOptions } from './stitch/outputs.ts';
export { type FeaturePair, featurePairs } from './stitch/positions.ts';
export { type AffineMap, type Matrix, type PairMoments, ridge } from './stitch/ridge.ts';
export { centred, covariance, FeatureMoments, featureStatistics, Moments } from './stitch/statistics.ts';
