/**
 * The geometry of fronts. A point is the scores of one network on several data sets, each so that more is better. A rival is a
 * curve of such points: the output-weighted ensembles, from one parent alone to the other, joined by straight lines.
 */

/** The scores of one network, one for each data set; more is better. */
export type Point = readonly number[];

/** Whether `p` is at least as good as `q` everywhere and better somewhere. NaN is worse than any number. */
export function dominates(p: Point, q: Point): boolean {
  const worth = (v: number): number => (Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v);
  return p.every((v, i) => worth(v) >= worth(q[i]!)) && p.some((v, i) => worth(v) > worth(q[i]!));
}

/** The Pareto set: the indices of the points that no other dominates, in order. Equal points are in it together. */
export function paretoSet(points: readonly Point[]): readonly number[] {
  let kept: number[] = [];
  for (const [i, p] of points.entries()) {
    if (kept.some(k => dominates(points[k]!, p))) continue;
    kept = [...kept.filter(k => !dominates(p, points[k]!)), i];
  }
  return kept;
}

/** Straight pieces of a curve; a curve of one point is one piece without length. */
const pieces = (curve: readonly Point[]): readonly (readonly [Point, Point])[] =>
  curve.length === 1 ? [[curve[0]!, curve[0]!]] : curve.slice(1).map((to, i) => [curve[i]!, to] as const);

const between = (from: Point, to: Point, t: number): Point => from.map((v, i) => v + t * (to[i]! - v));

const largest = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

/**
 * How far a point lies beyond a curve: the ε that can be taken off every one of its scores before some point of the curve is at
 * least as good on every data set. Positive beyond the curve, zero on it, negative behind it (what every score would have to gain).
 * This is the additive ε-indicator of multi-objective optimisation (Zitzler et al., IEEE TEC 7(2), 2003) for a single point.
 *
 * `min over r on the curve of max over i of (p[i] - r[i])`: on a straight piece the maximum is convex and piecewise linear, so its
 * least value is at an end or where two of the differences are equal.
 */
export function beyond(point: Point, curve: readonly Point[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const [from, to] of pieces(curve)) {
    const at = (t: number): number => {
      const r = between(from, to, t);
      return largest(point.map((v, i) => v - r[i]!));
    };
    least = Math.min(least, at(0), at(1));
    for (let i = 0; i < point.length; i++) {
      for (let j = i + 1; j < point.length; j++) {
        const gap = point[i]! - from[i]! - (point[j]! - from[j]!);
        const slope = to[i]! - from[i]! - (to[j]! - from[j]!);
        const t = gap / slope;
        if (t > 0 && t < 1) least = Math.min(least, at(t));
      }
    }
  }
  return least;
}

/**
 * How far a point of two scores lies above a curve at its own first score: its second score less the best second score among the
 * points of the curve whose first is at least as good. Undefined where no point of the curve reaches the first score.
 */
export function above([x, y]: Point, curve: readonly Point[]): number | undefined {
  let best = Number.NEGATIVE_INFINITY;
  for (const [from, to] of pieces(curve)) {
    for (const [u, v] of [from, to]) if (u! >= x!) best = Math.max(best, v!);
    const t = (x! - from[0]!) / (to[0]! - from[0]!);
    if (t > 0 && t < 1) best = Math.max(best, between(from, to, t)[1]!);
  }
  return best === Number.NEGATIVE_INFINITY ? undefined : y! - best;
}
