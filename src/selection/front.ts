/**
 * The geometry of fronts. A point is the scores of one network on several data sets, each so that more is better. The rivals are a
 * surface of such points: the output-weighted ensembles, from each parent alone to the others; of two parents, a curve.
 */

/** The scores of one network, one for each data set; more is better. */
export type Point = readonly number[];

/** Whether `p` is at least as good as `q` everywhere and better somewhere. NaN is worse than any number. */
export function dominates(p: Point, q: Point): boolean {
  const worth = (v: number): number => (Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v);
  return p.every((v, i) => worth(v) >= worth(q[i])) && p.some((v, i) => worth(v) > worth(q[i]));
}

/** The Pareto set: the indices of the points that no other dominates, in order. Equal points are in it together. */
export function paretoSet(points: readonly Point[]): readonly number[] {
  let kept: number[] = [];
  for (const [i, p] of points.entries()) {
    if (kept.some(k => dominates(points[k], p))) continue;
    kept = [...kept.filter(k => !dominates(p, points[k])), i];
  }
  return kept;
}

/**
 * Rivals that were scored, and what lies between neighbours: a point, a straight line, a plane triangle. What is between them on two or three
 * data sets lies on such a face or is surpassed by one; on more, tetrahedra between triangles are left out.
 */
export type Surface = readonly Face[];

interface Face {
  readonly corners: readonly [Point, ...Point[]];
  /** The best score of its corners on each data set. */
  readonly highest: Point;
  /** Every choice of as many data sets as there are corners. */
  readonly choices: readonly (readonly number[])[];
}

/** @param faces corners as indices of `points`, with the corners and edges of every face that is larger. */
export function surfaceOf(points: readonly Point[], faces: readonly (readonly number[])[]): Surface {
  const sets = points[0]?.length ?? 0;
  // What a face of more corners than there are data sets adds, its edges have.
  return faces
    .filter(({ length }) => length === 1 || length <= sets)
    .map(face => {
      const corners = face.map(i => points[i]) as [Point, ...Point[]];
      return {
        corners,
        highest: corners[0].map((_, i) => largest(corners.map(c => c[i]))),
        choices: corners.length === 1 ? noChoice : choicesOf(sets, corners.length),
      };
    });
}

const noChoice = [[]];

/** Every choice of `size` of `count` numbers. The same few are asked for with every surface, of which an interval takes thousands. */
function choicesOf(count: number, size: number): readonly (readonly number[])[] {
  const key = `${count},${size}`;
  const found = knownChoices.get(key) ?? subsets(count, size);
  knownChoices.set(key, found);
  return found;
}

const knownChoices = new Map<string, readonly (readonly number[])[]>();

/** Every choice of some of the numbers from `first` on, in ascending order. */
function subsets(count: number, size: number, first = 0): readonly (readonly number[])[] {
  if (size === 0) return [[]];
  const rest = Array.from({ length: count - first }, (_, i) => first + i);
  return rest.flatMap(at => subsets(count, size - 1, at + 1).map(more => [at, ...more]));
}

const largest = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

const largestGap = (p: Point, q: Point): number => largest(p.map((v, i) => v - q[i]));

/** The point of a face at some steps from its first corner towards each other one. */
const pointAt = ([origin, ...others]: Face['corners'], steps: readonly number[]): Point =>
  origin.map((v, i) => others.reduce((sum, corner, k) => sum + steps[k] * (corner[i] - v), v));

/**
 * How far a point lies beyond a surface: the ε that can be taken off every one of its scores before some point of the surface is at
 * least as good on every data set. Positive beyond the surface, zero on it, negative behind it (what every score would have to gain).
 * This is the additive ε-indicator of multi-objective optimisation (Zitzler et al., IEEE TEC 7(2), 2003) for a single point.
 *
 * `min over r on the surface of max over i of (p[i] - r[i])`: on a face the maximum is convex and piecewise linear, so its least value is at a
 * corner, or within an edge where two of the differences are equal, or within a triangle where three are.
 */
export function beyond(point: Point, surface: Surface): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { corners, highest, choices } of surface) {
    if (largestGap(point, highest) >= least) continue;
    for (const sets of choices) {
      const steps = stepsTo(point, corners, sets);
      if (steps.every(t => t > 0) && steps.reduce((sum, t) => sum + t, 0) < 1) {
        least = Math.min(least, largestGap(point, pointAt(corners, steps)));
      }
    }
  }
  return least;
}

/**
 * Where on the line or plane through a face's corners a point's differences are equal on the given data sets, as steps from the first corner
 * towards the others; not finite where nowhere, or everywhere.
 */
function stepsTo(
  point: Point,
  [origin, ...others]: Face['corners'],
  [set, ...sets]: readonly number[],
): readonly number[] {
  const against = (p: Point, other: number): number => p[set] - origin[set] - (p[other] - origin[other]);
  const gaps = sets.map(other => against(point, other));
  const slopes = sets.map(other => others.map(corner => against(corner, other)));
  if (gaps.length < 2) return gaps.map(gap => gap / slopes[0][0]);
  const [[a, b], [c, d]] = slopes as [[number, number], [number, number]];
  const [e, f] = gaps as [number, number];
  const determinant = a * d - b * c;
  return [(e * d - b * f) / determinant, (a * f - e * c) / determinant];
}

/**
 * How far a point of two scores lies above a surface at its own first score: its second score less the best second score among the
 * points of the surface whose first is at least as good. Undefined where no point of the surface reaches the first score.
 */
export function above([x, y]: Point, surface: Surface): number | undefined {
  let best = Number.NEGATIVE_INFINITY;
  for (const { corners } of surface) {
    const [from, to] = corners;
    if (to === undefined) {
      if (from[0] >= x) best = Math.max(best, from[1]);
      continue;
    }
    // The best of a triangle is on one of its edges, which are faces too.
    const t = corners.length > 2 ? Number.NaN : (x - from[0]) / (to[0] - from[0]);
    if (t > 0 && t < 1) best = Math.max(best, pointAt([from, to], [t])[1]);
  }
  return best === Number.NEGATIVE_INFINITY ? undefined : y - best;
}
