/** Bytes compared and hashed. */

/** The whole words of some bytes. They are copied where they do not begin at a word's boundary. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(buffer, byteOffset, Math.floor(byteLength / 4));
}

/** Whether all bytes are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  const [left, right] = [wordsOf(a), wordsOf(b)];
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  for (let i = left.length * 4; i < a.byteLength; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** 32 bits: equal bytes give equal ones. Other bytes seldom do, but can be made to. */
export function hashOfBytes(bytes: Uint8Array): number {
  const words = wordsOf(bytes);
  let hash = bytes.byteLength | 0;
  for (let i = 0; i < words.length; i++) hash = mixed(hash, words[i]);
  for (let i = words.length * 4; i < bytes.byteLength; i++) hash = mixed(hash, bytes[i]);
  return hash;
}

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}
