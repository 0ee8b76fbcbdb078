import { type Dim, linearOf, type Shape } from '../../ir/index.ts';

/** What the axes behind batch and channels are called, by how many there are. */
const axisNames: Readonly<Record<number, readonly string[]>> = {
  1: ['length'],
  2: ['height', 'width'],
  3: ['depth', 'height', 'width'],
};

/**
 * Which sizes an input [N, C, spatial...] takes: `height and width that are multiples of 32`. Undefined where every one will do, or only one.
 */
export function sizesText(shape: Shape): string | undefined {
  const spatial = shape.slice(2);
  const axes = new Map<string, string[]>();
  for (const [i, dim] of spatial.entries()) {
    const text = dimText(dim);
    if (text === undefined) continue;
    axes.set(text, [...(axes.get(text) ?? []), axisNames[spatial.length]?.[i] ?? `axis ${i + 2}`]);
  }
  if (axes.size === 0) return undefined;
  const texts = Array.from(axes, ([text, names]) => {
    const multiple = names.length === 1 ? 'is a multiple' : 'are multiples';
    return `${listed(names)} that ${multiple} of ${text}`;
  });
  return listed(texts);
}

/** `32`, or `16 and 12 more`; undefined where the dim may be anything. */
function dimText(dim: Dim): string | undefined {
  const linear = linearOf(dim);
  if (!linear || linear.factor === 1) return undefined;
  const { factor, offset } = linear;
  const rest = ((offset % factor) + factor) % factor;
  return rest === 0 ? String(factor) : `${factor} and ${rest} more`;
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
