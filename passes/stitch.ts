/** Joining parents into a super-network: what it is, how it is built, how its stitches start. */

export { answersAbreast, doubtAbreast, doubtsOutput, gateAbreast, settleAbreast } from './stitch/abreast.ts';
export { type Steps, withoutStops } from './stitch/algebra/cholesky.ts';
export { bindNetwork } from './stitch/bind.ts';
export { committee, settingOfCommittee } from './stitch/committee.ts';
export { type Content, readContent } from './stitch/content.ts';
export { type GateScope, gateScopes } from './stitch/doubt.ts';
export { type FitBytes, type FitForm, StitchFit, statisticName, statisticNames, statisticsOf } from './stitch/fit.ts';
export {
  type GateOptions,
  gateOutput,
  gateShares,
  isGateable,
  requireGateable,
  settleGated,
  settleSources,
  weightsAgainst,
} from './stitch/gate.ts';
export { identityStitches, kaimingStitches, parametersOf, type StitchParameters } from './stitch/initial.ts';
export type { TaggedGraph } from './stitch/inputs.ts';
export { checkPairs, type StitchOptions, stitch } from './stitch/join.ts';
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
  tasks,
} from './stitch/meaning.ts';
export * from './stitch/network.ts';
export { type OutputOptions, outputMeans } from './stitch/outputs.ts';
export type { FeaturePair, MatchedPair } from './stitch/positions.ts';
export {
  type AffineMap,
  type Matrix,
  type PairMoments,
  type PairSamples,
  ridge,
  ridgeOfMoments,
  ridgeOfSamples,
} from './stitch/ridge.ts';
export {
  type ErrorStatistic,
  errorStatisticName,
  errorStatistics,
  type FitData,
  featureStatistics,
  fitBytesOf,
  formOf,
  stitchErrors,
} from './stitch/statistics.ts';
