/**
 * Kernels that reduce along rows: normalisations, softmax, reductions, losses. A tensor is seen as [outer, length, inner]; a
 * row is what lies along the middle axis, and there are outer · inner of them.
 *
 * On a GPU a workgroup takes a long contiguous row and combines what its invocations found; short or strided rows are taken
 * by one invocation each, so that neighbours read neighbouring elements. On a software adapter, where barriers are costly, an
 * invocation always takes a whole row.
 */
import { range } from '../../ir/numbers.ts';
import type { Dispatch, KernelContext } from './kernel.ts';
import type { ModuleBuilder } from './module.ts';
import { add, ceilDiv, foldGrid, type Grid, times, u32 } from './wgsl.ts';

export interface RowShape {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

export type Combine = 'sum' | 'max' | 'min' | 'product';

const combined: Readonly<Record<Combine, (a: string, b: string, type: string) => string>> = {
  sum: (a, b) => `${a} + ${b}`,
  // Comparisons rather than max and min, so that a NaN that came first stays; no comparison finds a NaN that comes.
  max: (a, b, type) => `select(${a}, ${b}, ${b} > ${a}${orNaN(b, type)})`,
  min: (a, b, type) => `select(${a}, ${b}, ${b} < ${a}${orNaN(b, type)})`,
  product: (a, b) => `${a} * ${b}`,
};

const orNaN = (b: string, type: string): string =>
  type === 'f32' ? ` || (bitcast<u32>(${b}) & 0x7fffffffu) > 0x7f800000u` : '';

/** Elements that a sum adds up before it goes into the total: two levels keep rounding errors small in long rows. */
const block = 64;

/** The shortest row that is worth a workgroup. */
const longRow = 128;

/** Elements that a turn of a loop takes on software adapters, where a turn costs as much as two loads. */
const unroll = 4;

/** Pieces that a sum over a whole tensor is cut into; their sums are added up in a second pass. */
export function piecesOf(length: number, wanted: number): number {
  for (let pieces = Math.min(wanted, Math.ceil(length / 64)); pieces > 1; pieces--)
    if (length % pieces === 0) return pieces;
  return 1;
}

/** How a kernel walks over rows: names that its code may use, and the code of loops and combinations. */
export class Rows {
  readonly grid: Grid;
  readonly workgroup: number;
  readonly #shape: RowShape;
  readonly #shared: boolean;
  readonly #combines = new Map<string, string>();
  readonly #unroll: number;
  #loops = 0;

  /** `serial`: one invocation takes a whole row wherever it runs, for work that goes along the row in order. */
  constructor(shape: RowShape, context: KernelContext, serial = false) {
    this.#shape = shape;
    const rows = shape.outer * shape.inner;
    this.#shared = !serial && context.adapterClass === 'gpu' && shape.inner === 1 && shape.length >= longRow;
    this.#unroll = context.adapterClass === 'software' && shape.length % unroll === 0 ? unroll : 1;
    if (this.#shared) {
      this.workgroup = Math.min(256, context.limits.maxComputeInvocationsPerWorkgroup);
      this.grid = foldGrid(rows, context.limits);
    } else {
      // Few rows are spread over the cores of a software adapter; a GPU wants full workgroups.
      this.workgroup = context.adapterClass === 'gpu' ? 64 : Math.max(4, Math.min(32, 4 * Math.floor(rows / 32)));
      this.grid = foldGrid(ceilDiv(rows, this.workgroup), context.limits);
    }
  }

  /** Where element `k` (an expression) of the row lies. */
  at(k: string): string {
    return add('base', times(this.#shape.inner === 1 ? k : `(${k})`, this.#shape.inner));
  }

  /** A loop over the row's elements; `body` gets the names of the position along the row and of the flat index. */
  loop(body: (k: string, at: string) => string): string {
    const k = `k${this.#loops++}`;
    const { length } = this.#shape;
    const [from, step] = this.#shared ? ['local', this.workgroup] : ['0u', this.#unroll];
    return `for (var ${k} = ${from}; ${k} < ${u32(length)}; ${k} += ${u32(step)}) { ${this.#turn(k, body)} }`;
  }

  /** What one turn of a loop does: the elements from `k` on, in their order. */
  #turn(k: string, body: (k: string, at: string) => string): string {
    if (this.#unroll === 1) return body(k, this.at(k));
    const next = (i: number) => (i === 0 ? k : `(${k} + ${u32(i)})`);
    return range(this.#unroll)
      .map(i => `{ ${body(next(i), this.at(next(i)))} }`)
      .join(' ');
  }

  /**
   * Statements that leave the sum of a term over the row in each of `names`, for all invocations of the row.
   *
   * @param body statements on one element, and the terms that it adds.
   */
  sums(
    names: readonly string[],
    body: (k: string, at: string) => { statements?: string; terms: readonly string[] },
  ): string {
    const declare = names.map(name => `var ${name} = 0.0;`).join(' ');
    const { length } = this.#shape;
    if (this.#shared || length <= 2 * block) {
      const loop = this.loop((k, at) => {
        const { statements = '', terms } = body(k, at);
        return `${statements} ${names.map((name, i) => `${name} += ${terms[i]};`).join(' ')}`;
      });
      return `${declare}\n  ${loop}\n  ${names.map(name => this.combine('sum', name)).join(' ')}`;
    }
    const k = `k${this.#loops++}`;
    const parts = names.map(name => `${name}_part`);
    const turn = this.#turn(k, (each, at) => {
      const { statements = '', terms } = body(each, at);
      return `${statements} ${parts.map((part, i) => `${part} += ${terms[i]};`).join(' ')}`;
    });
    const end = length % block === 0 ? `first + ${u32(block)}` : `min(first + ${u32(block)}, ${u32(length)})`;
    return `${declare}
  for (var first = 0u; first < ${u32(length)}; first += ${u32(block)}) {
    ${parts.map(part => `var ${part} = 0.0;`).join(' ')}
    for (var ${k} = first; ${k} < ${end}; ${k} += ${u32(this.#unroll)}) { ${turn} }
    ${names.map((name, i) => `${name} += ${parts[i]};`).join(' ')}
  }`;
  }

  /** A statement that combines what each invocation of a row holds in `name`, and leaves the result in all of them. */
  combine(how: Combine, name: string, type = 'f32'): string {
    if (!this.#shared) return '';
    const f = `combine_${how}_${type}`;
    this.#combines.set(
      f,
      `var<workgroup> shared_${how}_${type}: array<${type}, ${this.workgroup}>;
fn ${f}(value: ${type}, local: u32) -> ${type} {
  workgroupBarrier();
  shared_${how}_${type}[local] = value;
  workgroupBarrier();
  for (var half = ${u32(this.workgroup / 2)}; half > 0u; half = half >> 1u) {
    if (local < half) {
      let a = shared_${how}_${type}[local];
      let b = shared_${how}_${type}[local + half];
      shared_${how}_${type}[local] = ${combined[how]('a', 'b', type)};
    }
    workgroupBarrier();
  }
  return shared_${how}_${type}[0];
}`,
    );
    return `${name} = ${f}(${name}, local);`;
  }

  /** A statement for one invocation of the row only: a store of the row's result. */
  once(statement: string): string {
    return this.#shared ? `if (local == 0u) { ${statement} }` : statement;
  }

  /** An expression that combines two. */
  static join(how: Combine, a: string, b: string, type = 'f32'): string {
    return combined[how](a, b, type);
  }

  /** The dispatch of a module whose entry point has statements that use `row`, `base`, and what the methods here return. */
  dispatch(label: string, module: ModuleBuilder, body: readonly string[]): Dispatch {
    const { outer, length, inner } = this.#shape;
    const rows = outer * inner;
    const flat = this.grid.flat('group');
    const row = this.#shared ? flat : `${flat} * ${u32(this.workgroup)} + local`;
    const guard = this.#shared ? this.grid.padded : this.grid.padded || rows % this.workgroup !== 0;
    const base =
      inner === 1 ? times('row', length) : `row / ${u32(inner)} * ${u32(length * inner)} + row % ${u32(inner)}`;
    for (const combine of this.#combines.values()) module.declare(combine);
    const lines = [
      `let row = ${row};`,
      ...(guard ? [`if (row >= ${u32(rows)}) { return; }`] : []),
      `let base = ${base};`,
      ...body,
    ];
    return module.dispatch(label, this.grid.workgroups, {
      workgroup: this.workgroup,
      group: 'group',
      local: 'local',
      body: `  ${lines.join('\n  ')}`,
    });
  }
}
