/** Graph to graph: simplify, match, stitch, settle, double-batch, differentiate, arrange. Imports ir/ only. */

export * from './arrange.ts';
export { type Differentiated, type DifferentiateOptions, differentiate } from './differentiate/index.ts';
export { largestHalf, type NarrowOptions, narrow, widen, widenRounded } from './float-width.ts';
export { freeBatch } from './free-batch.ts';
export { inlineBodies } from './inline-bodies.ts';
export { type ChannelMap, mapChannels } from './map-channels.ts';
export { type ClassMap, mapClasses } from './map-classes.ts';
export * from './match.ts';
export { type BranchGrid, type GridChange, leastExtent, observedOnShared, onOtherGrid } from './other-grid.ts';
export { permuteSpace } from './permute-space.ts';
export { type SettleOptions, settingTensors, settle } from './settle.ts';
export * from './simplify.ts';
export * from './sizes.ts';
export { specialize } from './specialize.ts';
export { type SplitOverBatch, splitOverBatch } from './split-over-batch.ts';
export * from './stitch.ts';
export * from './train.ts';
export { halfRange, type Peaks, peaksOf, wideNodes, withPeaks } from './wide-nodes.ts';
