/**
 * Limited-memory BFGS (Nocedal and Wright, "Numerical Optimization", 2nd ed., algorithms 7.4 and 7.5) with backtracking, for
 * functions of few variables that are dear to evaluate.
 */

export interface Evaluation {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface MinimiseOptions {
  /** Steps at most. Default 50. */
  readonly iterations?: number;
  /** How many past steps shape the next, as far as they take no more than 512 MiB. Default 20. */
  readonly memory?: number;
  /** It ends where a step lowers the value by less than this part of it. Default 1e-5. */
  readonly tolerance?: number;
  /** Told of every point that is taken. */
  readonly onStep?: (x: Float64Array, step: number) => Promise<void>;
}

// Plain loops: a pooled feature of 1280 channels has millions of variables, for which callbacks are ten times as slow.
function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

/** `x ← x + t·d`, in place. */
function add(x: Float64Array, t: number, d: Float64Array): Float64Array {
  for (let i = 0; i < x.length; i++) x[i] = x[i] + t * d[i];
  return x;
}

/** `x ← t·x`, in place. */
function scale(x: Float64Array, t: number): Float64Array {
  for (let i = 0; i < x.length; i++) x[i] = x[i] * t;
  return x;
}

const along = (x: Float64Array, t: number, d: Float64Array): Float64Array => add(x.slice(), t, d);

/** What the past steps may take. They are two vectors each, so that of millions of variables fewer are kept. */
const maxMemoryBytes = 2 ** 29;

/** Sufficient decrease: this part of what the slope promises (Armijo's condition). */
const decrease = 1e-4;
const halvings = 12;

/** Minimises from `start` and returns the last point that was taken. Where the value is not finite, the step is shortened. */
export async function minimise(
  evaluate: (x: Float64Array) => Promise<Evaluation>,
  start: Float64Array,
  { iterations = 50, memory = 20, tolerance = 1e-5, onStep }: MinimiseOptions = {},
): Promise<Float64Array> {
  const most = Math.max(1, Math.min(memory, Math.floor(maxMemoryBytes / Math.max(1, 2 * start.byteLength))));
  let x = start;
  let at = await evaluate(x);
  const pairs: Change[] = [];
  for (let step = 1; step <= iterations; step++) {
    let direction = newton(at.gradient, pairs);
    let slope = dot(direction, at.gradient);
    if (!(slope < 0)) {
      pairs.length = 0;
      direction = newton(at.gradient, pairs);
      slope = dot(direction, at.gradient);
      if (!(slope < 0)) return x;
    }
    // Without curvature the length of the gradient says nothing: a step of length one at most.
    let t = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
    let next: Float64Array | undefined;
    let found = at;
    for (let k = 0; k < halvings && !next; k++, t /= 2) {
      const tried = along(x, t, direction);
      found = await evaluate(tried);
      if (found.value <= at.value + decrease * t * slope) next = tried;
    }
    if (!next) return x;
    const s = along(next, -1, x);
    const y = along(found.gradient, -1, at.gradient);
    const curvature = dot(s, y);
    if (curvature > 1e-10 * Math.sqrt(dot(s, s) * dot(y, y))) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > most) pairs.shift();
    const gain = at.value - found.value;
    [x, at] = [next, found];
    await onStep?.(x, step);
    if (gain <= tolerance * Math.abs(at.value)) return x;
  }
  return x;
}

/** What a step changed: x by s, the gradient by y, and 1 / s·y. */
interface Change {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
}

/** Minus the inverse Hessian, as past steps show it, times the gradient. */
function newton(gradient: Float64Array, pairs: readonly Change[]): Float64Array {
  const q = scale(gradient.slice(), -1);
  const alphas: number[] = [];
  for (const { s, y, rho } of pairs.toReversed()) {
    const alpha = rho * dot(s, q);
    alphas.push(alpha);
    add(q, -alpha, y);
  }
  const latest = pairs.at(-1);
  if (latest) scale(q, 1 / (latest.rho * dot(latest.y, latest.y)));
  for (const { s, y, rho } of pairs) add(q, alphas.pop()! - rho * dot(y, q), s);
  return q;
}
