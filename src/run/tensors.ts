/** Named tensors as `.npz` bytes and back. */
import { type DType, printable, SutureError, type Tensor, tensor } from '../../ir/index.ts';
import { FormatError, type NpyArray, npyArray } from '../data/npy.ts';
import { formatNpz, parseNpz } from '../data/npz.ts';

const float32Array = (t: Tensor): Float32Array<ArrayBuffer> => {
  if (t.dtype !== 'float32') throw new RangeError(`A ${t.dtype} tensor cannot be stored as float32.`);
  return t.data as Float32Array<ArrayBuffer>;
};

/** Float32 tensors by name, and a JSON document beside them under the name `state`. */
export function tensorsToNpz(tensors: ReadonlyMap<string, Tensor>, state: object): Uint8Array {
  const arrays = new Map<string, NpyArray>();
  for (const [name, t] of tensors) arrays.set(name, npyArray(float32Array(t), t.shape));
  const bytes = Uint8Array.from(new TextEncoder().encode(JSON.stringify(state)));
  arrays.set(stateName, npyArray(bytes, [bytes.length]));
  return formatNpz(arrays);
}

const stateName = 'state';

/** The reverse of {@link tensorsToNpz}. @throws SutureError `run-invalid`. */
export function tensorsFromNpz(
  bytes: Uint8Array,
  source: string,
): { readonly tensors: ReadonlyMap<string, Tensor>; readonly state: unknown } {
  const invalid = (problem: string, cause?: unknown): SutureError =>
    new SutureError('run-invalid', `${printable(source)}: ${problem}.`, { cause });
  let arrays: ReadonlyMap<string, NpyArray>;
  try {
    arrays = parseNpz(bytes);
  } catch (cause) {
    if (cause instanceof FormatError) throw invalid(printable(cause.message), cause);
    throw cause;
  }
  const tensors = new Map<string, Tensor>();
  let state: unknown;
  for (const [name, { dtype, shape, data }] of arrays) {
    if (name === stateName) {
      try {
        if (!(data instanceof Uint8Array)) throw new RangeError(`${dtype} is no text`);
        state = JSON.parse(new TextDecoder().decode(data));
      } catch (cause) {
        throw invalid('the state in it is damaged', cause);
      }
    } else if (dtype !== 'float32') throw invalid(`'${printable(name)}' is ${dtype}, and must be float32`);
    else tensors.set(name, tensor(dtype satisfies DType, shape, data as Float32Array));
  }
  return { tensors, state };
}
