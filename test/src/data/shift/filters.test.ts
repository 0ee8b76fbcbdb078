/** Against SciPy and PyTorch: `fixtures/filters.py` made the numbers. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { gaussianBlur, lowResolution } from '../../../../src/data/shift/filters.ts';

interface Case {
  readonly shape: readonly number[];
  readonly input: readonly number[];
  readonly output: readonly number[];
}

const { blur, resolution }: { blur: (Case & { sigma: number })[]; resolution: (Case & { share: number })[] } =
  JSON.parse(readFileSync('fixtures/filters.json', 'utf8'));

function expectFiltered({ shape, input, output }: Case, filter: (x: Float32Array, shape: readonly number[]) => void) {
  const x = Float32Array.from(input);
  filter(x, shape);
  for (const [i, value] of output.entries()) expect(x[i]).toBeCloseTo(value, 5);
}

it.each(blur)("blurs $shape by $sigma pixels as SciPy's gaussian_filter", ({ sigma, ...found }) => {
  expectFiltered(found, (x, shape) => gaussianBlur(x, shape, sigma));
});

it.each(resolution)("takes $shape to $share of its resolution as PyTorch's interpolate", ({ share, ...found }) => {
  expectFiltered(found, (x, shape) => lowResolution(x, shape, share));
});
