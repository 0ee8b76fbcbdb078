// src/selection/front.ts
/** Whether `p` is at least as good as `q` everywhere and better somewhere. NaN is worse than any number. */
function dominates(p, q) {
	const worth = (v) => Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v;
	return p.every((v, i) => worth(v) >= worth(q[i])) && p.some((v, i) => worth(v) > worth(q[i]));
}
/** The Pareto set: the indices of the points that no other dominates, in order. Equal points are in it together. */
function paretoSet(points) {
	let kept = [];
	for (const [i, p] of points.entries()) {
		if (kept.some((k) => dominates(points[k], p))) continue;
		kept = [...kept.filter((k) => !dominates(p, points[k])), i];
	}
	return kept;
}
/** @param faces corners as indices of `points`, with the corners and edges of every face that is larger. */
function surfaceOf(points, faces) {
	const sets = points[0]?.length ?? 0;
	return faces.filter(({ length }) => length === 1 || length <= sets).map((face) => {
		const corners = face.map((i) => points[i]);
		return {
			corners,
			highest: corners[0].map((_, i) => largest(corners.map((c) => c[i]))),
			choices: corners.length === 1 ? noChoice : choicesOf(sets, corners.length)
		};
	});
}
const noChoice = [[]];
/** Every choice of `size` of `count` numbers. The same few are asked for with every surface, of which an interval takes thousands. */
function choicesOf(count, size) {
	const key = `${count},${size}`;
	const found = knownChoices.get(key) ?? subsets(count, size);
	knownChoices.set(key, found);
	return found;
}
const knownChoices = /* @__PURE__ */ new Map();
/** Every choice of some of the numbers from `first` on, in ascending order. */
function subsets(count, size, first = 0) {
	if (size === 0) return [[]];
	return Array.from({ length: count - first }, (_, i) => first + i).flatMap((at) => subsets(count, size - 1, at + 1).map((more) => [at, ...more]));
}
const largest = (values) => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
const largestGap = (p, q) => largest(p.map((v, i) => v - q[i]));
/** The point of a face at some steps from its first corner towards each other one. */
const pointAt = ([origin, ...others], steps) => origin.map((v, i) => others.reduce((sum, corner, k) => sum + steps[k] * (corner[i] - v), v));
/**
* How far a point lies beyond a surface: the ε that can be taken off every one of its scores before some point of the surface is at
* least as good on every data set. Positive beyond the surface, zero on it, negative behind it (what every score would have to gain).
* This is the additive ε-indicator of multi-objective optimisation (Zitzler et al., IEEE TEC 7(2), 2003) for a single point.
*
* `min over r on the surface of max over i of (p[i] - r[i])`: on a face the maximum is convex and piecewise linear, so its least value is at a
* corner, or within an edge where two of the differences are equal, or within a triangle where three are.
*/
function beyond(point, surface) {
	let least = Number.POSITIVE_INFINITY;
	for (const { corners, highest, choices } of surface) {
		if (largestGap(point, highest) >= least) continue;
		for (const sets of choices) {
			const steps = stepsTo(point, corners, sets);
			if (steps.every((t) => t > 0) && steps.reduce((sum, t) => sum + t, 0) < 1) least = Math.min(least, largestGap(point, pointAt(corners, steps)));
		}
	}
	return least;
}
/**
* Where on the line or plane through a face's corners a point's differences are equal on the given data sets, as steps from the first corner
* towards the others; not finite where nowhere, or everywhere.
*/
function stepsTo(point, [origin, ...others], [set, ...sets]) {
	const against = (p, other) => p[set] - origin[set] - (p[other] - origin[other]);
	const gaps = sets.map((other) => against(point, other));
	const slopes = sets.map((other) => others.map((corner) => against(corner, other)));
	if (gaps.length < 2) return gaps.map((gap) => gap / slopes[0][0]);
	const [[a, b], [c, d]] = slopes;
	const [e, f] = gaps;
	const determinant = a * d - b * c;
	return [(e * d - b * f) / determinant, (a * f - e * c) / determinant];
}
/**
* How far a point of two scores lies above a surface at its own first score: its second score less the best second score among the
* points of the surface whose first is at least as good. Undefined where no point of the surface reaches the first score.
*/
function above([x, y], surface) {
	let best = Number.NEGATIVE_INFINITY;
	for (const { corners } of surface) {
		const [from, to] = corners;
		if (to === void 0) {
			if (from[0] >= x) best = Math.max(best, from[1]);
			continue;
		}
		const t = corners.length > 2 ? NaN : (x - from[0]) / (to[0] - from[0]);
		if (t > 0 && t < 1) best = Math.max(best, pointAt([from, to], [t])[1]);
	}
	return best === Number.NEGATIVE_INFINITY ? void 0 : y - best;
}
export { above, beyond, dominates, paretoSet, surfaceOf };
