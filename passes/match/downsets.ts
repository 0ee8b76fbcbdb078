import type { Poset } from './poset.ts';

/**
 * The lattice of a poset's downsets (sets that hold with an element all elements below it), made as far as it is looked
 * at. A downset is what of a network has been passed when the network is walked in some topological order; its
 * *frontier*, the minimal elements outside of it, is what may come next.
 *
 * Downsets are numbered in the order of their making, the empty one is 0. The public arrays are replaced by larger ones
 * as the lattice grows, so take them from the lattice anew after each call of `extend`.
 */
export class DownsetLattice {
  readonly poset: Poset;
  /** How many downsets have been made. */
  count = 0;
  /** Number of elements in each downset. */
  sizes = new Int32Array(64);
  /** The frontier of downset `d` is `frontier[frontierStart[d]] .. frontier[frontierStart[d + 1] - 1]`, ascending. */
  frontierStart = new Int32Array(64);
  frontier = new Int32Array(256);
  /** For each place in `frontier` the downset with that element added, or -1 as long as nobody has asked. */
  #children = new Int32Array(256);
  #bits: Uint32Array<ArrayBuffer>;
  #hashes = new Int32Array(64);
  #slots = new Int32Array(256).fill(-1);
  /** A random word per element; a downset's hash is the exclusive or over its elements. */
  readonly #keys: Int32Array;

  constructor(poset: Poset) {
    this.poset = poset;
    this.#bits = new Uint32Array(poset.words * 64);
    this.#keys = Int32Array.from({ length: poset.size }, (_, v) => scramble(v + 1));
    this.#slots[this.#slotOf(0)] = 0;
    this.#finish([...poset.countBelow.keys()].filter(v => poset.countBelow[v] === 0));
  }

  /** Does the downset hold the element? */
  has(downset: number, element: number): boolean {
    return (this.#bits[downset * this.poset.words + (element >> 5)] & (1 << (element & 31))) !== 0;
  }

  /** Calls `visit` for every element that the larger of two downsets holds and the smaller does not. */
  between(smaller: number, larger: number, visit: (element: number) => void): void {
    const { words } = this.poset;
    for (let w = 0; w < words; w++) {
      let word = this.#bits[larger * words + w] & ~this.#bits[smaller * words + w];
      while (word !== 0) {
        visit(32 * w + 31 - Math.clz32(word & -word));
        word &= word - 1;
      }
    }
  }

  /** The downset with the element at place `place` of `frontier` added; the place must be in its own frontier. */
  extend(downset: number, place: number): number {
    const known = this.#children[place];
    if (known >= 0) return known;
    const made = this.#make(downset, this.frontier[place]);
    this.#children[place] = made;
    return made;
  }

  #make(parent: number, added: number): number {
    const { words, coverStart, covers, below } = this.poset;
    const made = this.count;
    if (made + 2 > this.sizes.length) this.#grow();
    const bits = this.#bits;
    const offset = made * words;
    bits.copyWithin(offset, parent * words, (parent + 1) * words);
    bits[offset + (added >> 5)] |= 1 << (added & 31);
    this.#hashes[made] = this.#hashes[parent] ^ this.#keys[added];
    const slot = this.#slotOf(made);
    if (this.#slots[slot] >= 0) return this.#slots[slot];
    this.#slots[slot] = made;
    this.sizes[made] = this.sizes[parent] + 1;

    const frontier: number[] = [];
    for (let i = this.frontierStart[parent]; i < this.frontierStart[parent + 1]; i++) {
      if (this.frontier[i] !== added) frontier.push(this.frontier[i]);
    }
    for (let e = coverStart[added]; e < coverStart[added + 1]; e++) {
      const v = covers[e];
      let ready = true;
      for (let w = 0; w < words && ready; w++) ready = (below[v * words + w] & ~bits[offset + w]) === 0;
      if (ready) frontier.push(v);
    }
    this.#finish(frontier.sort((v, w) => v - w));
    return made;
  }

  /** Gives the downset that was made last its frontier. */
  #finish(frontier: readonly number[]): void {
    const start = this.frontierStart[this.count];
    const end = start + frontier.length;
    if (end > this.frontier.length) {
      this.frontier = enlarged(this.frontier, end);
      this.#children = enlarged(this.#children, end);
    }
    this.frontier.set(frontier, start);
    this.#children.fill(-1, start, end);
    this.frontierStart[this.count + 1] = end;
    this.count++;
    if (this.count * 2 > this.#slots.length) this.#rehash();
  }

  /** Where in the hash table the downset is, or would go. */
  #slotOf(downset: number): number {
    const { words } = this.poset;
    const mask = this.#slots.length - 1;
    const hash = this.#hashes[downset];
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const other = this.#slots[slot];
      if (other < 0) return slot;
      if (this.#hashes[other] !== hash) continue;
      let equal = true;
      for (let w = 0; w < words && equal; w++)
        equal = this.#bits[other * words + w] === this.#bits[downset * words + w];
      if (equal) return slot;
    }
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let downset = 0; downset < this.count; downset++) this.#slots[this.#slotOf(downset)] = downset;
  }

  #grow(): void {
    const capacity = this.sizes.length * 2;
    this.sizes = enlarged(this.sizes, capacity);
    this.frontierStart = enlarged(this.frontierStart, capacity);
    this.#hashes = enlarged(this.#hashes, capacity);
    const bits = new Uint32Array(capacity * this.poset.words);
    bits.set(this.#bits);
    this.#bits = bits;
  }
}

/** The same values in an array at least twice as long, and at least of length `atLeast`. */
export function enlarged(array: Int32Array<ArrayBuffer>, atLeast = 0): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(2 * array.length, atLeast));
  larger.set(array);
  return larger;
}

function scramble(value: number): number {
  let h = Math.imul(value, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}
