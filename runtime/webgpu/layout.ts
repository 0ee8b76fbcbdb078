/** Where every value of a program lies: liveness, updates in place, carried state. No device is involved yet. */
import { SutureError } from '../../ir/errors.ts';
import { inputAt, Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { elementCount } from '../kernels/shape.ts';
import { elementBytes } from '../kernels/storage.ts';
import { allocated } from './buffers.ts';
import { type Lifetime, type MemoryPlan, planMemory } from './memory.ts';
import type { Program } from './program.ts';

/** The home of a value's elements. */
export type Place =
  | { readonly kind: 'state'; readonly input: Value }
  | { readonly kind: 'shared'; readonly buffer: number }
  | { readonly kind: 'constant'; readonly tensor: Tensor };

/** A value's elements copied to another's home. */
export interface Copy {
  readonly from: Value;
  readonly to: Value;
}

export interface Layout {
  readonly memory: MemoryPlan;
  readonly lifetimes: readonly Lifetime[];
  readonly place: (value: Value) => Place;
  /** The shared buffer of a step's scratch area that is free between runs. */
  readonly scratch: (step: number, index: number) => number;
  /** Copies before a step, for updates in place whose input is still needed. */
  readonly before: ReadonlyMap<number, readonly Copy[]>;
  /** Copies after the last step: carried outputs that could not be computed where they are needed. */
  readonly after: readonly Copy[];
}

export const bytesOnDevice = (value: Value): number => elementCount(value) * elementBytes;

/** Plans the memory of a program. `carry` names outputs and the inputs that they become. */
export function planLayout(program: Program, carry: ReadonlyMap<string, string>): Layout {
  const { graph, steps, root, known } = program;
  const end = steps.length;
  const inputs = new Set(graph.inputs);
  const written = new Map<Value, number>();
  const lastRead = new Map<Value, number>();
  for (const [i, step] of steps.entries()) {
    for (const input of step.inputs) if (input) lastRead.set(root(input), i);
    for (const output of step.outputs) written.set(output, i);
  }
  const carried = new Map(graph.outputs.filter(o => carry.has(o.name)).map(o => [graph.input(carry.get(o.name)!), o]));
  for (const [name, to] of carry) {
    if (bytesOnDevice(graph.output(name)) !== bytesOnDevice(graph.input(to))) {
      throw new SutureError(
        'graph-invalid',
        `The output '${name}' cannot become the input '${to}': their types differ.`,
      );
    }
  }
  // What must be there when the steps are done: outputs, to be read or carried.
  const outputs = new Set(graph.outputs.map(o => root(o.value)));
  const home = new Map<Value, Value>();
  const homeOf = (value: Value): Value => {
    let at = root(value);
    for (let next = home.get(at); next !== undefined; next = home.get(at)) at = next;
    return at;
  };

  // Updates in place.
  const before = new Map<number, Copy[]>();
  for (const [i, step] of steps.entries()) {
    const { plan, inputs: operands, outputs: results } = step;
    for (const { input, output } of plan.inPlace ?? []) {
      const from = inputAt(step, input);
      const source = root(from);
      const target = results[output];
      const readOnce = operands.filter(v => v && root(v) === source).length === 1 && lastRead.get(source) === i;
      const own = inputs.has(source);
      const becomes = own && carried.get(source)?.value;
      const free = own ? becomes && root(becomes) === target : written.has(source);
      if (readOnce && free && !known(source) && !outputs.has(source)) home.set(target, source);
      else before.set(i, [...(before.get(i) ?? []), { from, to: target }]);
    }
  }

  // Carried outputs go where they are needed at once, if nothing reads the old value any more.
  // Values that are themselves inputs are saved first, for a copy before theirs may overwrite them.
  const saves: Copy[] = [];
  const moves: Copy[] = [];
  for (const [input, { value }] of carried) {
    const source = root(value);
    if (homeOf(source) === input) continue;
    const at = written.get(source);
    const idle = at !== undefined && (lastRead.get(input) ?? -1) < at && !outputs.has(input);
    if (idle && !home.has(source) && !before.get(at)?.some(c => root(c.from) === input)) home.set(source, input);
    else if (inputs.has(source)) {
      const saved = new Value(`${input.name} (next)`, input.type);
      saves.push({ from: value, to: saved });
      moves.push({ from: saved, to: input });
    } else moves.push({ from: value, to: input });
  }
  const after = [...saves, ...moves];

  const spans = new Map<Value, { from: number; to: number }>();
  for (const [value, at] of written) {
    const owner = homeOf(value);
    if (inputs.has(owner)) continue;
    const to = outputs.has(value) ? end : (lastRead.get(value) ?? at);
    const span = spans.get(owner);
    spans.set(owner, span ? { from: Math.min(span.from, at), to: Math.max(span.to, to) } : { from: at, to });
  }
  for (const { to } of saves) spans.set(to, { from: end, to: end });
  const owners = [...spans.keys()];
  const lifetimes: Lifetime[] = owners.map(value => ({
    name: value.name,
    bytes: allocated(bytesOnDevice(value)),
    ...spans.get(value)!,
  }));
  const scratchIndex = new Map<string, number>();
  for (const [i, { node, plan }] of steps.entries()) {
    for (const [k, { bytes, lifetime }] of plan.scratch.entries()) {
      if (lifetime !== 'run') continue;
      scratchIndex.set(`${i} ${k}`, lifetimes.length);
      lifetimes.push({ name: `${node} (scratch)`, bytes: allocated(bytes), from: i, to: i });
    }
  }
  const memory = planMemory(lifetimes, end);
  const index = new Map(owners.map((value, i) => [value, i]));
  return {
    memory,
    lifetimes,
    before,
    after,
    place(value) {
      const tensor = known(value);
      if (tensor) return { kind: 'constant', tensor };
      const owner = homeOf(value);
      if (inputs.has(owner)) return { kind: 'state', input: owner };
      return { kind: 'shared', buffer: memory.assignment[index.get(owner)!] };
    },
    scratch: (step, k) => memory.assignment[scratchIndex.get(`${step} ${k}`)!],
  };
}
