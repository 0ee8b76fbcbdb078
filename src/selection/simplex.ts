/** Ways of sharing one output among several parents: points of the simplex of shares, and what lies between them. */
import type { OutputShares } from '../options/kinds.ts';
import { statedShares } from './combination.ts';

/** Ways of sharing, and how they adjoin. */
export interface ShareLattice {
  readonly outputs: readonly OutputShares[];
  /** Points, and neighbours joined: edges, and triangles where there are more than two parents; as indices of `outputs`. */
  readonly faces: readonly (readonly number[])[];
}

/**
 * The shares that are whole multiples of 1/k, for the largest k that gives at most `most` of them: of those that divide by the number of
 * parents, so that the mean is among them, or of all if none does. The mean is there in any case. Two parents: from the second alone to the first alone.
 *
 * Neighbours differ by 1/k of one share in favour of another. Edges and triangles are the same whatever the order of the parents.
 *
 * @param finest the largest k that is wanted.
 */
export function shareLattice(parents: number, finest: number, most: number): ShareLattice {
  const few = Array.from({ length: finest }, (_, i) => finest - i).filter(k => countOf(parents, k) <= most);
  const steps = few.find(k => k % parents === 0) ?? few[0] ?? 1;
  const places = lattice(parents, steps);
  const outputs = places.map(place => statedShares(place.map(v => v / steps)));
  const faces = facesOf(parents, steps, places);
  if (steps % parents === 0) return { outputs, faces };
  const mean = Array<number>(parents).fill(1 / parents);
  return { outputs: [...outputs, statedShares(mean)], faces: [...faces, [outputs.length]] };
}

/** How many ways there are to share `steps` things: a binomial coefficient. */
function countOf(parents: number, steps: number): number {
  let count = 1;
  for (let i = 1; i < parents; i++) count *= (steps + i) / i;
  return Math.round(count);
}

/** All ways to share `steps` things, the first parent's part growing. */
function lattice(parents: number, steps: number): readonly (readonly number[])[] {
  if (steps < 0) return [];
  if (parents === 1) return [[steps]];
  return Array.from({ length: steps + 1 }, (_, own) => own).flatMap(own =>
    lattice(parents - 1, steps - own).map(rest => [own, ...rest]),
  );
}

function facesOf(
  parents: number,
  steps: number,
  places: readonly (readonly number[])[],
): readonly (readonly number[])[] {
  const indices = new Map(places.map((place, i) => [place.join(), i]));
  const at = (place: readonly number[], ...more: readonly number[]): number =>
    indices.get(place.map((v, p) => v + more.filter(m => m === p).length).join())!;
  const all = Array.from({ length: parents }, (_, p) => p);
  const pairs = all.flatMap(i => all.slice(i + 1).map(j => [i, j] as const));
  const triples = pairs.flatMap(([i, j]) => all.slice(j + 1).map(k => [i, j, k] as const));
  const [once, twice] = [lattice(parents, steps - 1), lattice(parents, steps - 2)];
  return [
    ...places.map((_, i) => [i]),
    ...once.flatMap(place => pairs.map(([i, j]) => [at(place, j), at(place, i)])),
    ...once.flatMap(place => triples.map(corners => corners.map(c => at(place, c)))),
    ...twice.flatMap(place => triples.map(([i, j, k]) => [at(place, i, j), at(place, i, k), at(place, j, k)])),
  ];
}
