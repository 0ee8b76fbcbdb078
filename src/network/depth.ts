/** How far into its parents a position lies. */
import { ancestors, macsOf, type Value } from '../../ir/index.ts';
import type { SuperNetwork } from '../../passes/index.ts';

/** A position and its depth. */
export interface PlacedPosition {
  readonly position: number;
  readonly depth: number;
}

/**
 * The depth of every position, in their order: the share of a parent's layers (what multiplies with weights or features: convolutions,
 * matrix products) that its feature is computed from, as a mean over the parents that have a feature there. 0 is at the input, 1 behind the
 * last layer. Positional progress is another thing: it goes by the shortest path, which skip connections shorten, so that the first and the
 * last stage of a U-Net lie in the same place.
 */
export function placedPositions({ graph, positions, switches, outputs }: SuperNetwork): readonly PlacedPosition[] {
  // Without stitches nothing of another parent lies before a feature.
  const apart = graph.nodes.filter(({ op }) => op !== 'Stitch');
  const layersBefore = (value: Value): number => ancestors(apart, [value]).filter(node => macsOf(node) !== 0).length;
  const [{ sources, features }] = outputs;
  const layers = new Map(sources.map((tag, p) => [tag, layersBefore(features[p])]));
  return positions.map(({ id }) => {
    const shares = switches
      .filter(({ position }) => position === id)
      .map(({ original, parent }) => layersBefore(original) / Math.max(1, layers.get(parent)!));
    return { position: id, depth: shares.reduce((sum, share) => sum + share, 0) / shares.length };
  });
}
