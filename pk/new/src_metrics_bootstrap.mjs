// src/data/random.ts
/** Bijective mixing of a 32-bit word (the finaliser of splitmix32). */
function mix(word) {
	let z = word | 0;
	z = Math.imul(z ^ z >>> 16, 569420461);
	z = Math.imul(z ^ z >>> 15, 1935289751);
	return (z ^ z >>> 15) >>> 0;
}
const rotateLeft = (x, k) => x << k | x >>> 32 - k;
var Random = class Random {
	#s;
	constructor(state) {
		this.#s = Uint32Array.from(state);
	}
	/**
	* A generator for a seed (any safe integer) and, optionally, a stream: the same seed with another stream name gives
	* independent numbers, so that drawing more of one thing does not shift another.
	*/
	static seeded(seed, stream = "") {
		if (!Number.isSafeInteger(seed)) throw new RangeError(`A seed must be a safe integer, not ${seed}.`);
		const low = seed >>> 0;
		const high = Math.floor(seed / 2 ** 32) >>> 0;
		let counter = mix(low) ^ mix(high + 2654435769);
		for (let i = 0; i < stream.length; i++) counter = mix(counter + 2654435769) ^ stream.charCodeAt(i);
		const state = /* @__PURE__ */ new Uint32Array(4);
		for (let i = 0; i < 4; i++) {
			counter = counter + 2654435769 | 0;
			state[i] = mix(counter);
		}
		if (state.every((word) => word === 0)) state[0] = 1;
		return new Random(state);
	}
	/** Continues from a state taken with {@link state}. */
	static restored(state) {
		if (!(state.length === 4 && state.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)) || state.every((word) => word === 0)) throw new RangeError("The state of a random generator is four unsigned 32-bit words, not all zero.");
		return new Random(state);
	}
	/** The state now; the generator goes on unaffected. */
	state() {
		const [a, b, c, d] = this.#s;
		return [
			a,
			b,
			c,
			d
		];
	}
	/** 32 uniform bits. */
	uint32() {
		const s = this.#s;
		const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
		const t = s[1] << 9;
		s[2] ^= s[0];
		s[3] ^= s[1];
		s[1] ^= s[2];
		s[0] ^= s[3];
		s[2] ^= t;
		s[3] = rotateLeft(s[3], 11);
		return result;
	}
	/** Uniform in [0, 1), with 53 random bits. */
	float() {
		const high = this.uint32() >>> 5;
		const low = this.uint32() >>> 6;
		return (high * 2 ** 26 + low) / 2 ** 53;
	}
	/** Uniform in [low, high). */
	uniform(low, high) {
		return low + (high - low) * this.float();
	}
	/** Uniform over the integers 0 … bound − 1, without bias. `bound` is from 1 to 2³². */
	int(bound) {
		if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) throw new RangeError(`The bound of a random integer must be an integer from 1 to 2^32, not ${bound}.`);
		const limit = 2 ** 32 - 2 ** 32 % bound;
		for (;;) {
			const value = this.uint32();
			if (value < limit) return value % bound;
		}
	}
	/** Normal with mean 0 and variance 1 (Box and Muller; the second value is dropped, so that no state is hidden). */
	normal() {
		return Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float());
	}
	/** Many numbers as of {@link normal}, in less time: both values of each pair, from 32 random bits each. */
	normals(count) {
		const values = new Float32Array(count);
		for (let i = 0; i < count; i += 2) {
			const radius = Math.sqrt(-2 * Math.log((this.uint32() + .5) / 2 ** 32));
			const angle = 2 * Math.PI * (this.uint32() / 2 ** 32);
			values[i] = radius * Math.cos(angle);
			if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
		}
		return values;
	}
	/** A uniformly random order of 0 … count − 1 (Fisher and Yates). */
	permutation(count) {
		const order = Uint32Array.from({ length: count }, (_, i) => i);
		for (let i = count - 1; i > 0; i--) {
			const j = this.int(i + 1);
			const kept = order[i];
			order[i] = order[j];
			order[j] = kept;
		}
		return order;
	}
};
// src/data/npy.ts
const CODECS = {
	bool: {
		code: "b1",
		bytes: 1,
		view: (b, at, n) => new Uint8Array(b, at, n)
	},
	int8: {
		code: "i1",
		bytes: 1,
		view: (b, at, n) => new Int8Array(b, at, n)
	},
	uint8: {
		code: "u1",
		bytes: 1,
		view: (b, at, n) => new Uint8Array(b, at, n)
	},
	int16: {
		code: "i2",
		bytes: 2,
		view: (b, at, n) => new Int16Array(b, at, n)
	},
	uint16: {
		code: "u2",
		bytes: 2,
		view: (b, at, n) => new Uint16Array(b, at, n)
	},
	int32: {
		code: "i4",
		bytes: 4,
		view: (b, at, n) => new Int32Array(b, at, n)
	},
	uint32: {
		code: "u4",
		bytes: 4,
		view: (b, at, n) => new Uint32Array(b, at, n)
	},
	int64: {
		code: "i8",
		bytes: 8,
		view: (b, at, n) => new BigInt64Array(b, at, n)
	},
	uint64: {
		code: "u8",
		bytes: 8,
		view: (b, at, n) => new BigUint64Array(b, at, n)
	},
	float16: {
		code: "f2",
		bytes: 2,
		view: (b, at, n) => Float32Array.from(new Uint16Array(b, at, n), halfToFloat)
	},
	float32: {
		code: "f4",
		bytes: 4,
		view: (b, at, n) => new Float32Array(b, at, n)
	},
	float64: {
		code: "f8",
		bytes: 8,
		view: (b, at, n) => new Float64Array(b, at, n)
	}
};
const DTYPES = Object.keys(CODECS);
new Map(DTYPES.map((dtype) => [CODECS[dtype].code, dtype]));
/** The value of an IEEE 754 half-precision number, given its bits. */
function halfToFloat(bits) {
	const sign = bits & 32768 ? -1 : 1;
	const exponent = bits >> 10 & 31;
	const fraction = bits & 1023;
	if (exponent === 0) return sign * fraction * 2 ** -24;
	if (exponent === 31) return fraction ? NaN : sign * Number.POSITIVE_INFINITY;
	return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
// src/metrics/metric.ts
/** The mean over classes of what terms say, without those that nothing was summed for; NaN where none is left. */
function valueOfTerms(terms) {
	let [sum, classes] = [0, 0];
	for (let i = 0; i < terms.length; i += 2) {
		if (terms[i + 1] === 0) continue;
		sum += terms[i] / terms[i + 1];
		classes++;
	}
	return sum / classes;
}
// src/metrics/bootstrap.ts
function drawable(metric, groups) {
	const found = groups.map((images) => metric.terms(images));
	const width = found[0]?.length ?? 0;
	const terms = new Float64Array(groups.length * width);
	for (const [g, one] of found.entries()) terms.set(one, g * width);
	return {
		metric,
		terms,
		width
	};
}
/** The score over the groups that are named from `start` to `end`. @param sums room for so many numbers as a group has. */
function valueOver({ terms, width }, drawn, { start, end }, sums) {
	sums.fill(0);
	for (let d = start; d < end; d++) {
		const at = drawn[d] * width;
		for (let i = 0; i < width; i++) sums[i] += terms[at + i];
	}
	return valueOfTerms(sums);
}
/** Fewer draws make the interval's ends uncertain. */
const resamples = 2e3;
/** The groups of every resample, of sets with so many each, one set after the other. What is yielded is overwritten by the next. */
function* drawResamples(counts) {
	const random = Random.seeded(0, "bootstrap");
	const drawn = new Uint32Array(totalOf(counts));
	for (let i = 0; i < resamples; i++) {
		let at = 0;
		for (const count of counts) for (let g = 0; g < count; g++) drawn[at++] = random.int(count);
		yield drawn;
	}
}
const totalOf = (counts) => counts.reduce((sum, count) => sum + count, 0);
/** Resamples by the counts that they were drawn for: a run asks for the intervals of many networks on few data sets. */
const known = /* @__PURE__ */ new Map();
/** So many groups are kept of each, and so many counts: 16 MB at most. */
const [groupsKept, countsKept] = [256, 8];
/** The same each time. */
function resamplesOf(counts) {
	if (totalOf(counts) > groupsKept) return drawResamples(counts);
	const key = counts.join();
	const found = known.get(key);
	if (found) return found;
	const drawn = Array.from(drawResamples(counts), (one) => one.slice());
	if (known.size >= countsKept) known.clear();
	known.set(key, drawn);
	return drawn;
}
/** A network is compared with many others: its scores on the same resamples are computed once. */
const scored = /* @__PURE__ */ new WeakMap();
/** So many are kept of each network. */
const scoredKept = 8;
/** The scores of networks on every resample. @param sets the ranges of sets among `counts`, and the networks of each. */
function scoresOf(counts, sets) {
	const missing = [];
	const found = sets.map(({ metrics, ...range }) => metrics.map((one) => {
		const drawn = `${counts} from ${range.start}`;
		const known = scored.get(one.metric) ?? [];
		const same = known.find((before) => before.drawn === drawn && isSame(before.terms, one.terms));
		if (same) return same.scores;
		const scores = new Float64Array(resamples);
		missing.push({
			one,
			range,
			sums: new Float64Array(one.width),
			scores
		});
		scored.set(one.metric, [{
			drawn,
			terms: one.terms,
			scores
		}, ...known].slice(0, scoredKept));
		return scores;
	}));
	if (missing.length === 0) return found;
	let resample = 0;
	for (const drawn of resamplesOf(counts)) {
		for (const { one, range, sums, scores } of missing) scores[resample] = valueOver(one, drawn, range, sums);
		resample++;
	}
	return found;
}
const isSame = (p, q) => p.length === q.length && p.every((v, i) => v === q[i]);
/**
* Images that are not independent of each other: those of one `group`, else of one `id`, else each image for itself. Groups that have
* images of one case (`id`) are one, so that no case is torn apart.
*/
function groupsOf({ count, group, id }) {
	const first = Array.from({ length: count }, (_, image) => image);
	const root = (image) => {
		let at = image;
		while (first[at] !== at) at = first[at];
		return at;
	};
	for (const keys of [group, id]) {
		const known = /* @__PURE__ */ new Map();
		for (const [image, key] of (keys ?? []).entries()) {
			const [p, q] = [root(image), root(known.get(key) ?? image)];
			first[Math.max(p, q)] = Math.min(p, q);
			known.set(key, Math.min(p, q));
		}
	}
	const groups = /* @__PURE__ */ new Map();
	for (const image of first.keys()) {
		const known = groups.get(root(image));
		if (known) known.push(image);
		else groups.set(root(image), [image]);
	}
	return [...groups.values()];
}
/** The score of `ours` less that of `theirs`, both of the same images: see {@link intervalOf}. */
const differenceOf = (ours, theirs, groups) => meanDifference([{
	ours,
	theirs,
	groups
}]);
/** The same for each of the classes that {@link Metric.terms} has, in their order. */
function classDifferences(ours, theirs, groups) {
	const ofClass = (metric, k) => ({
		higherIsBetter: metric.higherIsBetter,
		terms: (images) => metric.terms(images).slice(2 * k, 2 * k + 2)
	});
	return ours.score().classes.map((_, k) => differenceOf(ofClass(ours, k), ofClass(theirs, k), groups));
}
/**
* The mean over data sets of {@link differenceOf}; see {@link intervalOf} for how they are drawn. A set on which nothing can be scored
* counts for nothing.
*/
function meanDifference(pairings) {
	const signs = pairings.map(({ ours }) => ours.higherIsBetter ? 1 : -1);
	return intervalOf(pairings.map(({ ours, theirs, groups }) => ({
		metrics: [ours, theirs],
		groups
	})), (scores) => {
		let [sum, count] = [0, 0];
		for (const [set, [p, q]] of scores.entries()) {
			if (Number.isNaN(p - q)) continue;
			sum += p === q ? 0 : signs[set] * (p - q);
			count++;
		}
		return sum / count;
	});
}
/**
* A number that is computed from scores, with its 95 % interval. Every resample draws as many groups as there are, with replacement, and
* scores all networks of a set on it; what is drawn twice counts twice. Sets whose `groups` are one object have the same images under different
* changes, and the same groups are drawn of each; of other sets groups are drawn apart. The same numbers come out each time.
*
* @param numberOf computes it from the scores of each set's networks. Resamples for which it is NaN, as nothing can be scored, count for nothing.
*/
function intervalOf(sets, numberOf) {
	const different = [...new Set(sets.map(({ groups }) => groups))];
	const counts = different.map((groups) => groups.length);
	const drawables = sets.map(({ metrics, groups }) => {
		const set = different.indexOf(groups);
		const start = totalOf(counts.slice(0, set));
		return {
			metrics: metrics.map((m) => drawable(m, groups)),
			start,
			end: start + counts[set]
		};
	});
	const every = Uint32Array.from(counts.flatMap((count) => Array.from({ length: count }, (_, g) => g)));
	const value = numberOf(drawables.map(({ metrics, ...range }) => metrics.map((one) => valueOver(one, every, range, new Float64Array(one.width)))));
	const scores = scoresOf(counts, drawables);
	const numbers = [];
	for (let resample = 0; resample < resamples; resample++) {
		const number = numberOf(scores.map((set) => set.map((ofNetwork) => ofNetwork[resample])));
		if (!Number.isNaN(number)) numbers.push(number);
	}
	const ordered = Float64Array.from(numbers).sort();
	const at = (share) => ordered[Math.round(share * (ordered.length - 1))] ?? NaN;
	return {
		value,
		low: at(.025),
		high: at(.975),
		groups: Math.min(...sets.map(({ groups }) => groups.length))
	};
}
const verdicts = [
	"better",
	"worse",
	"no difference shown"
];
/** What an interval shows: a difference where it leaves out 0, and nothing where a single group was seen. */
function verdictOf({ low, high, groups }) {
	if (groups > 1 && low > 0) return "better";
	if (groups > 1 && high < 0) return "worse";
	return "no difference shown";
}
export { classDifferences, differenceOf, groupsOf, intervalOf, meanDifference, verdictOf, verdicts };
