/** More and more positions of a super-network, for curves of the score against their number. */

/** Counts that show the shape of a curve over `positions` positions: doubling at first, then by sixths. 1, 2, 4, 8, 16, 24, … of 48. */
export function defaultCounts(positions: number): readonly number[] {
  const counts = new Set<number>();
  for (let count = 1; count * 3 < positions; count *= 2) counts.add(count);
  for (let sixth = 2; sixth <= 6; sixth++) counts.add(Math.max(1, Math.round((positions * sixth) / 6)));
  return [...counts].sort((a, b) => a - b);
}

/** Where a single stitch goes: about there stitching does best. */
const singlePlace = 0.62;

/** `count` of `positions` positions, spread evenly from the first to the last; a single one lies at 0.62 of the way. */
export function evenlySpread(count: number, positions: number): readonly number[] {
  if (count === 1) return [Math.min(positions - 1, Math.round(singlePlace * positions))];
  return Array.from({ length: count }, (_, i) => Math.round((i * (positions - 1)) / (count - 1)));
}
