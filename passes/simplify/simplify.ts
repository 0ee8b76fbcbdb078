import { type Graph, rewrite } from '../../ir/index.ts';
import { activeBudget, withBudget } from '../../ir/limits.ts';
import { constantShapes } from './constant-shapes.ts';
import { foldConstants, foldingBudget } from './fold-constants.ts';
import { foldPads } from './fold-pads.ts';
import { fuseBatchNormalization } from './fuse-batch-normalization.ts';
import { mergeReshapes } from './merge-reshapes.ts';
import { mergeTransposes } from './merge-transposes.ts';
import { removeDeadCode } from './remove-dead-code.ts';
import { removeIdentities } from './remove-identities.ts';
import type { Rule } from './rule.ts';
import { shareSubexpressions } from './share-subexpressions.ts';

export interface SimplifyOptions {
  /** Also folds batch normalisation into the linear layer before it: for deployment, because it changes the last bits. */
  readonly fuse?: boolean;
  /** Constants of the same bits stay apart: for training, where equal first values (biases of 0) are no tie. Default: they become one. */
  readonly apart?: boolean;
}

/** Rules that keep every number as it is, bit for bit. */
const exact: readonly Rule[] = [
  foldConstants,
  removeIdentities,
  constantShapes,
  mergeReshapes,
  mergeTransposes,
  foldPads,
];

/** Rewrites every node by the first rule that fires. */
export const applyRules = (graph: Graph, rules: readonly Rule[]): Graph =>
  rewrite(graph, (node, to) => {
    for (const rule of rules) {
      const replacement = rule(node, to, graph);
      if (replacement !== undefined) return replacement;
    }
    return undefined;
  });

/** Graphs that nothing is left to be done to, by whether equal constants stay apart. Graphs do not change. */
const simplified = { apart: new WeakSet<Graph>(), shared: new WeakSet<Graph>() };

function toFixpoint(graph: Graph, options: SimplifyOptions): Graph {
  const known = simplified[options.apart ? 'apart' : 'shared'];
  if (known.has(graph)) return graph;
  const found = fixpointOf(graph, options);
  // What there was no room for may be folded another time.
  if (!activeBudget()?.refused) known.add(found);
  return found;
}

function fixpointOf(graph: Graph, { apart }: SimplifyOptions): Graph {
  for (let now = graph; ; ) {
    const ruled = applyRules(now, exact);
    // What was shared and cleared has nothing more to share or to clear.
    if (ruled === now && now !== graph) return now;
    const next = removeDeadCode(shareSubexpressions(ruled, { apart }));
    if (next === now) return now;
    now = next;
  }
}

/**
 * Folds constants, leaves out what does nothing and what nothing reads, computes once what is computed twice, and makes shape
 * arithmetic constant with the batch kept symbolic.
 *
 * Requires: a valid graph. Guarantees: the same inputs and outputs and the same numbers on them (without `fuse` bit for bit,
 * but for the rounding of folded constants); values that remain keep their names. Returns the same object when nothing changed.
 */
export function simplify(graph: Graph, options: SimplifyOptions = {}): Graph {
  return withBudget(foldingBudget(graph), () => {
    const simple = toFixpoint(graph, options);
    if (!options.fuse) return simple;
    const fused = applyRules(simple, [fuseBatchNormalization]);
    return fused === simple ? simple : toFixpoint(fused, options);
  });
}
