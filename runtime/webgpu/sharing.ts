/**
 * Kernels that differ in numbers only, as one kernel that is given those numbers. The code of a kernel has every shape written into
 * it, which a GPU's compiler makes use of. A software adapter makes little of it and takes tenths of a second for each kernel, and a
 * network repeats its layers in a few sizes: there the numbers in which such kernels differ become arguments. What is computed, and
 * in which order, stays as it was.
 */
import type { Dispatch } from '../kernels/kernel.ts';
import type { Step } from './program.ts';

/**
 * What may become an argument: integers. Those that WGSL wants to be constants are passed over: the lane of a broadcast, the cases of a
 * switch, and whatever a `const` says. Real numbers stay, for compilers compute with constants as they see fit (a division becomes a
 * multiplication), and the results would differ in their last bits.
 */
const numbers = /\b(?:subgroup|quad)Broadcast\(\w+, \d+u\)|\bcase \d+[ui]\b|^const .*$|\b(?<number>\d+[ui])\b/gm;

/** The beginning of the entry point's body. */
const entry = /^fn main\([^{]*\{\n/m;

/** A kernel's code, with its numbers taken out. */
interface Taken {
  readonly wgsl: string;
  /** One more than there are numbers. */
  readonly between: readonly string[];
  readonly numbers: readonly string[];
  readonly skeleton: string;
}

function takeApart(wgsl: string): Taken {
  const between: string[] = [];
  const found: string[] = [];
  let from = 0;
  for (const match of wgsl.matchAll(numbers)) {
    const number = match.groups?.number;
    if (number === undefined) continue;
    between.push(wgsl.slice(from, match.index));
    found.push(number);
    from = match.index + number.length;
  }
  between.push(wgsl.slice(from));
  return {
    wgsl,
    between,
    numbers: found,
    skeleton: between.map((text, i) => text + (found[i]?.at(-1) ?? '')).join('#'),
  };
}

/**
 * One kernel for several that differ in numbers only, and what each of them is given; undefined where they differ outside the entry
 * point, at whose beginning the arguments are fetched.
 */
function shared(
  kernels: readonly Taken[],
): ReadonlyMap<string, Pick<Dispatch, 'wgsl'> & { readonly words: Uint32Array<ArrayBuffer> }> | undefined {
  const [first] = kernels as [Taken, ...Taken[]];
  let outside = !entry.test(first.between[0]!);
  // Numbers that agree in each of the kernels are one argument.
  const slots = new Map<string, { readonly slot: number; readonly at: number }>();
  let text = first.between[0]!;
  for (const [i, number] of first.numbers.entries()) {
    if (kernels.every(kernel => kernel.numbers[i] === number)) text += number;
    else {
      if (outside) return undefined;
      const key = kernels.map(kernel => Number.parseInt(kernel.numbers[i]!, 10)).join();
      const { slot } = slots.get(key) ?? { slot: slots.size };
      slots.set(key, { slot, at: i });
      text += number.endsWith('u') ? `given${slot}` : `i32(given${slot})`;
    }
    text += first.between[i + 1]!;
    outside &&= !entry.test(first.between[i + 1]!);
  }
  const vectors = (slots.size + 3) >> 2;
  const binding = [...text.matchAll(/@binding\(/g)].length;
  const declaration = `@group(0) @binding(${binding}) var<uniform> given: array<vec4<u32>, ${vectors}>;\n`;
  const fetched = [...slots.values()].map(
    ({ slot }) => `let given${slot} = given[${slot >> 2}].${'xyzw'[slot & 3]!};\n`,
  );
  const wgsl = text.replace(/^@group/m, `${declaration}@group`).replace(entry, head => head + fetched.join(''));
  return new Map(
    kernels.map(kernel => {
      const words = new Uint32Array(4 * vectors);
      for (const { slot, at } of slots.values()) words[slot] = Number.parseInt(kernel.numbers[at]!, 10);
      return [kernel.wgsl, { wgsl, words }];
    }),
  );
}

/** The steps with as few kernels as their code allows. */
export function shareKernels(steps: readonly Step[]): readonly Step[] {
  const families = new Map<string, Map<string, Taken>>();
  for (const { wgsl } of steps.flatMap(step => step.plan.dispatches)) {
    const taken = takeApart(wgsl);
    const family = families.get(taken.skeleton) ?? new Map<string, Taken>();
    families.set(taken.skeleton, family.set(wgsl, taken));
  }
  const replaced = new Map(
    [...families.values()].flatMap(family => [...((family.size > 1 && shared([...family.values()])) || [])]),
  );
  const dispatch = (given: Dispatch): Dispatch => {
    const other = replaced.get(given.wgsl);
    return other ? { ...given, wgsl: other.wgsl, words: other.words } : given;
  };
  return steps.map(step => ({ ...step, plan: { ...step.plan, dispatches: step.plan.dispatches.map(dispatch) } }));
}
