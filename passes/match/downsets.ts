import type { Poset } from './poset.ts';

/**
 * The lattice of a poset's downsets (sets that hold with an element all elements below it), made as far as it is looked
 * at. A downset is what of a network has been passed when the network is walked in some topological order; its
 * *frontier*, the minimal elements outside of it, is what may come next.
 *
 * Downsets are numbered in the order of their making, the empty one is 0.
 */
export class DownsetLattice {
  readonly poset: Poset;
  /** Number of elements in each downset made so far. */
  readonly sizes: number[] = [0];
  /** Frontier of each downset, ascending. */
  readonly frontiers: Int32Array[] = [];
  /** For each frontier element the downset with it added, or -1 as long as nobody has asked. */
  readonly #children: Int32Array[] = [];
  #bits: Uint32Array;
  #slots: Int32Array;
  readonly #hashes: number[] = [0];
  readonly #keys: Int32Array;

  constructor(poset: Poset) {
    this.poset = poset;
    this.#bits = new Uint32Array(poset.words * 64);
    this.#slots = new Int32Array(256).fill(-1);
    this.#keys = Int32Array.from({ length: poset.size }, (_, v) => Math.imul(v + 1, 0x9e3779b1) ^ (v << 7));
    for (let v = 0; v < poset.size; v++) {
      let h = this.#keys[v];
      h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
      this.#keys[v] = h ^ (h >>> 15);
    }
    const minimal = [...poset.countBelow.keys()].filter(v => poset.countBelow[v] === 0);
    this.frontiers.push(Int32Array.from(minimal));
    this.#children.push(new Int32Array(minimal.length).fill(-1));
    this.#slots[this.#slotOf(0)] = 0;
  }

  /** How many downsets have been made. */
  get count(): number {
    return this.sizes.length;
  }

  /** Does the downset hold the element? */
  has(downset: number, element: number): boolean {
    return (this.#bits[downset * this.poset.words + (element >> 5)] & (1 << (element & 31))) !== 0;
  }

  /** The downset with the frontier element at index `index` added. */
  extend(downset: number, index: number): number {
    const known = this.#children[downset][index];
    if (known >= 0) return known;
    const made = this.#make(downset, this.frontiers[downset][index]);
    this.#children[downset][index] = made;
    return made;
  }

  #make(parent: number, added: number): number {
    const { words, coverStart, covers, below } = this.poset;
    const made = this.sizes.length;
    if ((made + 1) * words > this.#bits.length) {
      const larger = new Uint32Array(this.#bits.length * 2);
      larger.set(this.#bits);
      this.#bits = larger;
    }
    const bits = this.#bits;
    const offset = made * words;
    bits.copyWithin(offset, parent * words, (parent + 1) * words);
    bits[offset + (added >> 5)] |= 1 << (added & 31);
    const hash = this.#hashes[parent] ^ this.#keys[added];

    this.#hashes.push(hash);
    this.sizes.push(this.sizes[parent] + 1);
    const slot = this.#slotOf(made);
    const existing = this.#slots[slot];
    if (existing >= 0) {
      this.#hashes.pop();
      this.sizes.pop();
      return existing;
    }
    this.#slots[slot] = made;

    const frontier: number[] = [];
    for (const v of this.frontiers[parent]) if (v !== added) frontier.push(v);
    for (let e = coverStart[added]; e < coverStart[added + 1]; e++) {
      const v = covers[e];
      let ready = true;
      for (let w = 0; w < words && ready; w++) ready = (below[v * words + w] & ~bits[offset + w]) === 0;
      if (ready) frontier.push(v);
    }
    this.frontiers.push(Int32Array.from(frontier).sort());
    this.#children.push(new Int32Array(frontier.length).fill(-1));
    if (this.sizes.length * 2 > this.#slots.length) this.#rehash();
    return made;
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
      for (let w = 0; w < words && equal; w++) {
        equal = this.#bits[other * words + w] === this.#bits[downset * words + w];
      }
      if (equal) return slot;
    }
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let downset = 0; downset < this.sizes.length; downset++) this.#slots[this.#slotOf(downset)] = downset;
  }
}
