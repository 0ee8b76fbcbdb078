/** Bytes and tensors by what they hold. Exact: a hash finds what may be the same, and a comparison says whether it is. */
import { hashOfBytes, sameBytes } from './bytes.ts';
import { bytesOf, type Tensor } from './tensor.ts';
import { typeText } from './type.ts';

/** Hashes of arrays of weights, which are looked for again and again. Tensors do not change. */
const hashes = new WeakMap<ArrayBufferView, number>();

/** Values by bytes. The bytes are kept, not copied, and must stay as they are. */
export class ContentMap<T> {
  readonly #byHash = new Map<number, { readonly bytes: Uint8Array; readonly value: T }[]>();

  /**
   * What was made for the same bytes before, else what `make` gives.
   *
   * @param owner the array that the bytes are a view of, where it may be asked for again.
   */
  get(bytes: Uint8Array, make: () => T, owner: ArrayBufferView = bytes): T {
    const hash = hashes.get(owner) ?? hashOfBytes(bytes);
    hashes.set(owner, hash);
    const alike = this.#byHash.get(hash) ?? [];
    const found = alike.find(entry => sameBytes(entry.bytes, bytes));
    if (found) return found.value;
    const value = make();
    this.#byHash.set(hash, [...alike, { bytes, value }]);
    return value;
  }
}

/** Short texts for tensors: the same text, the same dtype, shape and bits. Texts of different instances do not compare. */
export class TensorKeys {
  readonly #known = new WeakMap<Tensor, string>();
  readonly #contents = new ContentMap<number>();
  #count = 0;

  of(tensor: Tensor): string {
    let key = this.#known.get(tensor);
    if (key === undefined) {
      key = `${typeText(tensor)}#${this.#contents.get(bytesOf(tensor), () => this.#count++, tensor.data)}`;
      this.#known.set(tensor, key);
    }
    return key;
  }
}
