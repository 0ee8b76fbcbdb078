/**
 * Networks that take so many images at a time and no other number: their files fix it, and it could not be shown that it may be opened
 * (`passes/free-batch.ts`). Whatever runs them gives them as many, and fills up where there are fewer.
 */
import {
  arrayFor,
  type Graph,
  isStatic,
  leastCommonMultiple,
  printable,
  SutureError,
  type Tensor,
  tensor,
} from '../../ir/index.ts';

/** How many images a network takes at a time; undefined where it takes any number. */
export function fixedBatch({ inputs: [input] }: Graph): number | undefined {
  const batch = input?.type.shape[0];
  return batch !== undefined && isStatic(batch) ? batch : undefined;
}

const images = (count: number): string => `${count} image${count === 1 ? '' : 's'}`;

/** In words, how many images a network takes at a time. */
export function batchText(batch: number | 'any'): string {
  if (batch === 'any') return 'takes any number of images at a time';
  // One image has no company that its answer could depend on.
  const company = batch > 1 ? ', and its answers may depend on which of them come together' : '';
  return `takes ${images(batch)} at a time${company}`;
}

/** A network under the name that messages give it. */
interface Named {
  readonly name: string;
  readonly graph: Graph;
}

/** Images in a step of training: what is asked for or usual, or what the network takes. @throws SutureError `option-invalid`. */
export function stepBatch(fixed: number | undefined, given: number | undefined, usual: number): number {
  if (fixed === undefined || given === undefined || given === fixed) return fixed ?? given ?? usual;
  throw new SutureError(
    'option-invalid',
    `The networks take ${images(fixed)} at a time, and so do the steps: leave out --batch ${given}, or say --batch ${fixed}.`,
  );
}

/** Images that are given to networks at a time. */
export interface AtATime {
  readonly limit: number;
  /** All batches but the last are multiples of it. */
  readonly whole: number;
  /** Where each batch is a case: how many images the cases have. */
  readonly cases?: readonly number[];
}

/**
 * Images at a time for networks that answer for each: what is asked for or usual, in whole batches of those that take a fixed number.
 *
 * @throws SutureError `option-invalid` for other numbers.
 */
export function imagesAtATime(networks: readonly Named[], given: number | undefined, usual: number): AtATime {
  let whole = 1;
  for (const { name, graph } of networks) {
    const batch = fixedBatch(graph) ?? 1;
    if (given !== undefined && given % batch !== 0) {
      throw new SutureError(
        'option-invalid',
        `${printable(name)} takes ${images(batch)} at a time: leave out --batch ${given}, or give a multiple of ${batch}.`,
      );
    }
    whole = leastCommonMultiple(whole, batch);
  }
  return { limit: given ?? Math.max(whole, usual - (usual % whole)), whole };
}

type Tensors = Readonly<Record<string, Tensor>>;

/**
 * Runs what takes `batch` images at a time on another number of them, [n, ...] each: in parts, the last filled up with the first
 * images of the part again, whose answers are dropped.
 *
 * @throws SutureError `data-invalid` where an output does not hold the images one after the other.
 */
export async function inParts(
  batch: number,
  inputs: Tensors,
  run: (part: Tensors) => Promise<Tensors>,
): Promise<Record<string, Tensor>> {
  const count = Object.values(inputs)[0].shape[0];
  const found: Tensors[] = [];
  for (let first = 0; first < count; first += batch) {
    const own = Math.min(batch, count - first);
    const rows = Array.from({ length: batch }, (_, i) => first + (i % own));
    found.push(
      await run(Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, rowsOf(value, rows)]))),
    );
  }
  return Object.fromEntries(
    Object.keys(found[0]).map(name => [
      name,
      joined(
        name,
        found.map(part => part[name]),
        batch,
        count,
      ),
    ]),
  );
}

/** Some images of [n, ...], by their numbers. */
function rowsOf({ dtype, shape, data }: Tensor, numbers: readonly number[]): Tensor {
  const size = data.length / shape[0];
  const result = arrayFor(dtype, numbers.length * size);
  for (const [i, n] of numbers.entries()) copy(data.subarray(n * size, (n + 1) * size), result, i * size);
  return tensor(dtype, [numbers.length, ...shape.slice(1)], result);
}

/** The first `count` images of the outputs of all parts, each of a whole number of rows for each of `batch` images. */
function joined(name: string, parts: readonly Tensor[], batch: number, count: number): Tensor {
  const { dtype, shape, data } = parts[0];
  const [rows, ...rest] = shape;
  if (rows === undefined || rows % batch !== 0) {
    throw new SutureError(
      'data-invalid',
      `The output '${printable(name)}' is [${shape.join(', ')}] for ${images(batch)}, so it can't be told which part of it is whose: ` +
        `give the network ${images(batch)}.`,
    );
  }
  const size = data.length / batch;
  const result = arrayFor(dtype, count * size);
  for (const [i, part] of parts.entries()) {
    const at = i * batch;
    copy(part.data.subarray(0, Math.min(batch, count - at) * size), result, at * size);
  }
  return tensor(dtype, [(count * rows) / batch, ...rest], result);
}

/** Of one dtype, which the type checker cannot see. */
const copy = (from: Tensor['data'], to: Tensor['data'], at: number): void =>
  (to as Float32Array).set(from as Float32Array, at);
