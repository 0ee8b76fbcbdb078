/** Joining parents into a super-network: what it is, how it is built, how its stitches start. */
export type { TaggedGraph } from './stitch/inputs.ts';
export { type StitchOptions, stitch } from './stitch/join.ts';
export * from './stitch/network.ts';
export type { OutputOptions } from './stitch/outputs.ts';
export { type FeaturePair, featurePairs } from './stitch/positions.ts';
