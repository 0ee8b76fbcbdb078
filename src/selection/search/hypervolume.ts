/** How much of the space of scores a set of points dominates. */
import type { Point } from '../front.ts';

/**
 * The volume that is dominated by some of the points and dominates a reference point, which none of it is worse than in any score: by
 * slices along the last score (Zitzler's HSO).
 */
export function hypervolume(points: readonly Point[], reference: Point): number {
  const last = reference.length - 1;
  const inside = points.filter(p => p.every((v, i) => v > reference[i]));
  if (last === 0) return inside.reduce((most, [v]) => Math.max(most, v - reference[0]), 0);
  const levels = [...new Set(inside.map(p => p[last]))].sort((p, q) => q - p);
  return levels.reduce((volume, level, i) => {
    const slice = inside.filter(p => p[last] >= level).map(p => p.slice(0, last));
    return volume + (level - (levels[i + 1] ?? reference[last])) * hypervolume(slice, reference.slice(0, last));
  }, 0);
}
