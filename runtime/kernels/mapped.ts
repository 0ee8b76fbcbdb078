/** Kernels that compute each output element from a few input elements that its coordinates determine: movement, pooling. */
import { product } from '../../ir/numbers.ts';
import type { KernelContext, KernelPlan, Operand } from './kernel.ts';
import { ModuleBuilder, single } from './module.ts';
import { ceilDiv, foldGrid, times, u32, unravel } from './wgsl.ts';

/** What an array of a kernel stands for, and the WGSL type of its elements. */
export interface Binding {
  readonly operand: Operand;
  readonly type: string;
  readonly access: 'read' | 'read_write';
}

/** By the names that the code has for them, in the order of their numbers. */
export type Bindings = Readonly<Record<string, Binding>>;

export const reads = (operand: Operand, type = 'f32'): Binding => ({ operand, type, access: 'read' });
export const writes = (operand: Operand, type = 'f32'): Binding => ({ operand, type, access: 'read_write' });

export function bindAll(module: ModuleBuilder, bindings: Bindings): void {
  for (const [name, { operand, type, access }] of Object.entries(bindings)) module.bind(name, operand, type, access);
}

interface MappedSpec {
  readonly label: string;
  /** The shape that the kernel walks over, usually the output's. */
  readonly shape: readonly number[];
  readonly bindings: Bindings;
  readonly declarations?: string;
  /**
   * Statements that compute and store one element.
   *
   * @param flat the element's flat index in the walk.
   * @param at its coordinates, one expression (a name) for each axis.
   */
  readonly element: (flat: string, at: readonly string[]) => string;
}

export const input = (index: number): Operand => ({ kind: 'input', index });
export const output = (index: number): Operand => ({ kind: 'output', index });
export const scratch = (index: number): Operand => ({ kind: 'scratch', index });

/**
 * Elements that an invocation computes, one after the other. On SwiftShader the frame of an invocation costs as much as several
 * loads; where there are few elements they are spread over the cores all the same.
 */
const several = { elements: 4, from: 16384 };

export function mappedPlan(spec: MappedSpec, context: KernelContext): KernelPlan {
  const total = product(spec.shape);
  if (total === 0) return { dispatches: [], scratch: [] };
  const module = new ModuleBuilder();
  bindAll(module, spec.bindings);
  if (spec.declarations) module.declare(spec.declarations);
  const workgroup = 64;
  const each = context.adapterClass === 'software' && total >= several.from ? several.elements : 1;
  const grid = foldGrid(ceilDiv(total, workgroup * each), context.limits);
  const at = spec.shape.map((_, axis) => `c${axis}`);
  const coordinates = unravel('i', spec.shape).map((e, axis) => `let c${axis} = ${e};`);
  const guard = grid.padded || total % (workgroup * each) !== 0;
  const element = spec.element('i', at);
  // Only the coordinates that the element refers to.
  const used = coordinates.filter((_, axis) => new RegExp(`\\bc${axis}\\b`).test(element));
  const body = [...used, element].join('\n  ');
  const guarded = guard ? `if (i < ${u32(total)}) {\n  ${body}\n  }` : body;
  const invocation = `${times(grid.flat('group'), workgroup)} + local`;
  const lines =
    each === 1
      ? [`let i = ${invocation};`, guarded]
      : [
          `let first = (${invocation}) * ${u32(each)};`,
          `for (var i = first; i < first + ${u32(each)}; i++) {`,
          guarded,
          '}',
        ];
  const entry = { workgroup, group: 'group', local: 'local', body: `  ${lines.join('\n  ')}` };
  return single(module.dispatch(spec.label, grid.workgroups, entry));
}
