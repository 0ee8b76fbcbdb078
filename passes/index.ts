/** Graph to graph: simplify, match, stitch, settle, double-batch, differentiate, lower. Imports ir/ only. */
export * from './match.ts';
export * from './simplify.ts';
export { specialize } from './specialize.ts';
export * from './stitch.ts';
