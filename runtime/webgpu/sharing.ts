/**
 * Kernels that differ in numbers only, as one kernel that is given those numbers. The code of a kernel has every shape written into
 * it, which a GPU's compiler makes use of. A software adapter makes little of it and takes tenths of a second for each kernel, and a
 * network repeats its layers in a few sizes: there the numbers in which such kernels differ become arguments. What is computed, and
 * in which order, stays as it was.
 *
 * What may become an argument are the integers that kernels mark (`u32`, `i32`), in the entry point. Real numbers stay, for compilers
 * compute with constants as they see fit (a division becomes a multiplication), and the results would differ in their last bits.
 */
import type { Dispatch } from '../kernels/kernel.ts';
import type { Module } from '../kernels/module.ts';
import { literalsIn } from '../kernels/wgsl.ts';
import type { Step } from './program.ts';

/** A module, and the literals of its entry point. */
interface Kernel {
  readonly module: Module;
  readonly literals: readonly string[];
  /** One more than there are literals. */
  readonly between: readonly string[];
}

const numberOf = (literal: string): number => Number.parseInt(literal, 10);

/** One module for several that differ in literals only, and what it is given for each of them, by their text. */
function shared(kernels: readonly Kernel[]): ReadonlyMap<string, Required<Pick<Dispatch, 'module' | 'words'>>> {
  const [first] = kernels as [Kernel, ...Kernel[]];
  // Literals that agree in each of the kernels are one argument.
  const slots = new Map<string, { readonly slot: number; readonly at: number }>();
  const written = first.literals.map((literal, at) => {
    if (kernels.every(kernel => kernel.literals[at] === literal)) return literal;
    const key = kernels.map(kernel => numberOf(kernel.literals[at])).join();
    const { slot } = slots.get(key) ?? { slot: slots.size };
    slots.set(key, { slot, at });
    return literal.endsWith('u') ? `given${slot}` : `i32(given${slot})`;
  });
  const vectors = (slots.size + 3) >> 2;
  const fetched = [...slots.values()].map(
    ({ slot }) => `let given${slot} = given[${slot >> 2}].${'xyzw'[slot & 3]};\n`,
  );
  const body = first.between.map((text, i) => text + (written[i] ?? '')).join('');
  const given = { name: 'given', space: 'uniform', type: `array<vec4<u32>, ${vectors}>` } as const;
  const module = first.module.withBody(fetched.join('') + body, [given]);
  return new Map(
    kernels.map(({ module: { wgsl }, literals }) => {
      const words = new Uint32Array(4 * vectors);
      for (const { slot, at } of slots.values()) words[slot] = numberOf(literals[at]);
      return [wgsl, { module, words }];
    }),
  );
}

/** The steps with as few kernels as their code allows. */
export function shareKernels(steps: readonly Step[]): readonly Step[] {
  const families = new Map<string, Map<string, Kernel>>();
  for (const { module } of steps.flatMap(step => step.plan.dispatches)) {
    const { literals, between } = literalsIn(module.body);
    const blank = between.map((text, i) => text + (literals[i]?.at(-1) ?? '')).join('#');
    const { wgsl: skeleton } = module.withBody(blank);
    const family = families.get(skeleton) ?? new Map<string, Kernel>();
    families.set(skeleton, family.set(module.wgsl, { module, literals, between }));
  }
  const replaced = new Map(
    [...families.values()].flatMap(family => (family.size > 1 ? [...shared([...family.values()])] : [])),
  );
  const dispatch = (given: Dispatch): Dispatch => ({ ...given, ...replaced.get(given.module.wgsl) });
  return steps.map(step => ({ ...step, plan: { ...step.plan, dispatches: step.plan.dispatches.map(dispatch) } }));
}
