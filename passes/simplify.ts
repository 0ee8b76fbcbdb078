/** Simplification: what a graph computes, with less. */
export { removeDeadCode } from './simplify/remove-dead-code.ts';
export { type SimplifyOptions, simplify } from './simplify/simplify.ts';
