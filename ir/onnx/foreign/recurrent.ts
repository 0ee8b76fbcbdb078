/**
 * Recurrent networks over a sequence of known length, unrolled: X [T, B, I], or [B, T, I] with `layout` 1. Weights are
 * [directions, gates · H, ...]. Where sequences are of different lengths, a state stays as it is beyond the end, and its output is zero.
 */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { integersOf } from '../../operator.ts';
import { tensorFromNumbers } from '../../tensor.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';

/** Nodes that a step of the largest kind comes to. */
const NODES_OF_STEP = 40;

interface State {
  readonly h: Value;
  /** The cell of an LSTM. */
  readonly c: Value | undefined;
}

/** What one direction of a layer computes with. */
interface Cell {
  readonly w: Value;
  readonly r: Value;
  /** Biases of input and recurrence, [gates · H] each. */
  readonly wb: Value;
  readonly rb: Value;
  /** An LSTM's peepholes [3 · H]. */
  readonly p: Value | undefined;
  readonly hidden: number;
  readonly activations: readonly ((b: GraphBuilder, x: Value) => Value)[];
  readonly clip: number | undefined;
  /** A GRU's choice of where the reset gate acts. */
  readonly linearBeforeReset: boolean;
  /** An LSTM that forgets as much as it takes in. */
  readonly coupled: boolean;
}

type Step = (b: GraphBuilder, x: Value, state: State, cell: Cell) => State;

const gate = (b: GraphBuilder, x: Value, index: number, hidden: number): Value =>
  b.op('Slice', [x, b.ints([index * hidden]), b.ints([(index + 1) * hidden]), b.ints([x.type.shape.length - 1])]);

const transposed = (b: GraphBuilder, x: Value): Value => b.op('Transpose', [x], { perm: [1, 0] });

const linear = (b: GraphBuilder, x: Value, w: Value, bias: Value): Value =>
  b.op('Add', [b.op('MatMul', [x, transposed(b, w)]), bias]);

/** `W x + R h + biases`, all gates at once. */
const preactivation = (b: GraphBuilder, x: Value, h: Value, cell: Cell): Value =>
  clipped(b, b.op('Add', [linear(b, x, cell.w, cell.wb), linear(b, h, cell.r, cell.rb)]), cell);

function clipped(b: GraphBuilder, x: Value, { clip }: Cell): Value {
  if (clip === undefined) return x;
  const bound = (value: number) => b.number(value, x.type.dtype);
  return b.op('Clip', [x, bound(-clip), bound(clip)]);
}

const rnn: Step = (b, x, { h }, cell) => ({ h: cell.activations[0](b, preactivation(b, x, h, cell)), c: undefined });

/** Gates z, r, h. */
const gru: Step = (b, x, { h }, cell) => {
  const [f, g] = cell.activations;
  const { hidden } = cell;
  const inputs = linear(b, x, cell.w, cell.wb);
  const recurrent = linear(b, h, cell.r, cell.rb);
  const both = (i: number) =>
    clipped(b, b.op('Add', [gate(b, inputs, i, hidden), gate(b, recurrent, i, hidden)]), cell);
  const [z, r] = [f(b, both(0)), f(b, both(1))];
  const weights = () => b.op('Slice', [cell.r, b.ints([2 * hidden]), b.ints([3 * hidden]), b.ints([0])]);
  const reset = cell.linearBeforeReset
    ? b.op('Mul', [r, gate(b, recurrent, 2, hidden)])
    : linear(b, b.op('Mul', [r, h]), weights(), gate(b, cell.rb, 2, hidden));
  const candidate = g(b, clipped(b, b.op('Add', [gate(b, inputs, 2, hidden), reset]), cell));
  // (1 - z) · candidate + z · h
  const moved = b.op('Mul', [z, b.op('Sub', [h, candidate])]);
  return { h: b.op('Add', [candidate, moved]), c: undefined };
};

/** Gates i, o, f, c. */
const lstm: Step = (b, x, { h, c }, cell) => {
  const [f, g, out] = cell.activations;
  const { hidden, p } = cell;
  const all = b.op('Add', [linear(b, x, cell.w, cell.wb), linear(b, h, cell.r, cell.rb)]);
  const peeped = (index: number, peephole: number, at: Value): Value => {
    const own = gate(b, all, index, hidden);
    return clipped(
      b,
      p === undefined ? own : b.op('Add', [own, b.op('Mul', [gate(b, p, peephole, hidden), at])]),
      cell,
    );
  };
  const before = c!;
  const input = f(b, peeped(0, 0, before));
  const forget = cell.coupled ? b.op('Sub', [b.number(1, x.type.dtype), input]) : f(b, peeped(2, 2, before));
  const candidate = g(b, clipped(b, gate(b, all, 3, hidden), cell));
  const now = b.op('Add', [b.op('Mul', [forget, before]), b.op('Mul', [input, candidate])]);
  return { h: b.op('Mul', [f(b, peeped(1, 1, now)), out(b, now)]), c: now };
};

const scaled = (b: GraphBuilder, x: Value, factor: number): Value => b.op('Mul', [x, b.number(factor, x.type.dtype)]);

/** With the defaults of their numbers, if they have any; a file's lists of alphas and betas are for those alone. */
const activations: Readonly<
  Record<
    string,
    {
      readonly alpha?: number;
      readonly beta?: number;
      readonly of: (b: GraphBuilder, x: Value, alpha: number, beta: number) => Value;
    }
  >
> = {
  sigmoid: { of: (b, x) => b.op('Sigmoid', [x]) },
  tanh: { of: (b, x) => b.op('Tanh', [x]) },
  relu: { of: (b, x) => b.op('Relu', [x]) },
  softsign: { of: (b, x) => b.op('Softsign', [x]) },
  softplus: { of: (b, x) => b.op('Softplus', [x]) },
  leakyrelu: { alpha: 0.01, of: (b, x, alpha) => b.op('LeakyRelu', [x], { alpha }) },
  thresholdedrelu: { alpha: 1, of: (b, x, alpha) => b.op('ThresholdedRelu', [x], { alpha }) },
  elu: { alpha: 1, of: (b, x, alpha) => b.op('Elu', [x], { alpha }) },
  hardsigmoid: { alpha: 0.2, beta: 0.5, of: (b, x, alpha, beta) => b.op('HardSigmoid', [x], { alpha, beta }) },
  scaledtanh: { alpha: 1, beta: 1, of: (b, x, alpha, beta) => scaled(b, b.op('Tanh', [scaled(b, x, beta)]), alpha) },
  affine: {
    alpha: 1,
    beta: 0,
    of: (b, x, alpha, beta) => b.op('Add', [scaled(b, x, alpha), b.number(beta, x.type.dtype)]),
  },
};

/** The activations of all directions by name, each with the next of the file's numbers if it has any. */
function activationsOf(names: readonly string[], form: NodeForm): Cell['activations'] {
  const [alphas, betas] = [[...(form.floats('activation_alpha') ?? [])], [...(form.floats('activation_beta') ?? [])]];
  return names.map(name => {
    const { alpha, beta, of } = activations[name];
    const a = alpha === undefined ? 0 : (alphas.shift() ?? alpha);
    const c = beta === undefined ? 0 : (betas.shift() ?? beta);
    return (b, x) => of(b, x, a, c);
  });
}

interface Kind {
  readonly step: Step;
  readonly gates: number;
  readonly defaults: readonly string[];
  /** Where the initial cell and the peepholes are among the inputs. */
  readonly cell: boolean;
}

function build(kind: Kind, form: NodeForm, context: FormContext): (Value | undefined)[] {
  const [given, w, r, bias, lengths, initialH, initialC, peepholes] = requireInputs(form, 3, context);
  const direction = form.string('direction') ?? 'forward';
  const directions = direction === 'bidirectional' ? 2 : 1;
  const batchFirst = form.int('layout') === 1;
  const steps = given!.type.shape[batchFirst ? 1 : 0];
  const hidden = form.int('hidden_size') ?? r!.type.shape[2];
  if (typeof steps !== 'number' || typeof hidden !== 'number')
    return context.refuse('its sequence length must be known');
  if (hidden < 1) return context.refuse(`its hidden_size is ${hidden}, and must be positive`);
  context.unrolled(directions * steps, NODES_OF_STEP);
  context.computes(8 * kind.gates * hidden * 2 * directions);
  const cut = lengths !== undefined && (integersOf(lengths) ?? [-1]).some(n => n !== steps) ? lengths : undefined;
  const standard = Array.from({ length: directions }, () => kind.defaults).flat();
  const names = (form.strings('activations') ?? standard).map(name => name.toLowerCase());
  const unknown = names.find(name => !Object.hasOwn(activations, name));
  if (unknown !== undefined) return context.refuse(`its activation '${unknown}' is not supported`);
  const { dtype } = given!.type;
  const steppers = activationsOf(names, form);

  const runs = context.within(b => {
    const x = batchFirst ? b.op('Transpose', [given!], { perm: [1, 0, 2] }) : given!;
    const at = (value: Value, index: number, axis = 0): Value =>
      b.op('Squeeze', [b.op('Slice', [value, b.ints([index]), b.ints([index + 1]), b.ints([axis])]), b.ints([axis])]);
    const zeros = (): Value => {
      const batch = b.op('Shape', [x], { start: 1, end: 2 });
      const value = tensorFromNumbers(dtype, [1], [0]);
      return b.op('ConstantOfShape', [b.op('Concat', [batch, b.ints([hidden])], { axis: 0 })], { value });
    };
    return Array.from({ length: directions }, (_, d) => {
      const halves = kind.gates * hidden;
      const biases = bias && at(bias, d);
      const part = (i: number) =>
        biases
          ? b.op('Slice', [biases, b.ints([i * halves]), b.ints([(i + 1) * halves]), b.ints([0])])
          : b.constant(tensorFromNumbers(dtype, [halves], new Float32Array(halves)));
      const count = kind.defaults.length;
      const cell: Cell = {
        w: at(w!, d),
        r: at(r!, d),
        wb: part(0),
        rb: part(1),
        p: peepholes && kind.cell ? at(peepholes, d) : undefined,
        hidden,
        activations: steppers.slice(d * count, (d + 1) * count),
        clip: form.float('clip'),
        linearBeforeReset: form.int('linear_before_reset') === 1,
        coupled: form.int('input_forget') === 1,
      };
      const axis = batchFirst ? 1 : 0;
      let state: State = {
        h: initialH ? at(initialH, d, axis) : zeros(),
        c: kind.cell ? (initialC ? at(initialC, d, axis) : zeros()) : undefined,
      };
      const backwards = direction === 'reverse' || d === 1;
      const outputs: Value[] = [];
      for (let t = 0; t < steps; t++) {
        const time = backwards ? steps - 1 - t : t;
        const next = kind.step(b, at(x, time), state, cell);
        if (cut === undefined) {
          state = next;
          outputs[time] = next.h;
          continue;
        }
        const there = b.op('Unsqueeze', [b.op('Greater', [cut, b.number(time, cut.type.dtype)]), b.ints([1])]);
        outputs[time] = b.op('Where', [there, next.h, b.number(0, dtype)]);
        state = {
          h: b.op('Where', [there, next.h, state.h]),
          c: next.c && b.op('Where', [there, next.c, state.c!]),
        };
      }
      return { state, outputs };
    });
  });

  /** [directions] of [B, H] → [directions, B, H], or [B, directions, H]. */
  const joined = (values: readonly Value[], output: number): Value | undefined => {
    if (!context.isUsed(output)) return undefined;
    const axis = batchFirst ? 1 : 0;
    const wide = context.within(b => values.map(v => b.op('Unsqueeze', [v, b.ints([axis])])));
    return context.builder.op('Concat', wide, { axis }, context.result(output));
  };
  const sequence = (): Value | undefined => {
    if (!context.isUsed(0)) return undefined;
    const [time, direct] = batchFirst ? [1, 2] : [0, 1];
    const lines = context.within(b =>
      runs.map(run => {
        const steps = run.outputs.map(h =>
          b.op('Unsqueeze', [b.op('Unsqueeze', [h, b.ints([batchFirst ? 1 : 0])]), b.ints([batchFirst ? 2 : 1])]),
        );
        return b.op('Concat', steps, { axis: time });
      }),
    );
    return context.builder.op('Concat', lines, { axis: direct }, context.result(0));
  };
  const cells = runs.map(run => run.state.c);
  return [
    sequence(),
    joined(
      runs.map(run => run.state.h),
      1,
    ),
    kind.cell ? joined(cells as readonly Value[], 2) : undefined,
  ];
}

const rule = (kind: Kind): ForeignRule => ({ since: 7, build: (form, context) => build(kind, form, context) });

export const recurrent = {
  RNN: rule({ step: rnn, gates: 1, defaults: ['tanh'], cell: false }),
  GRU: rule({ step: gru, gates: 3, defaults: ['sigmoid', 'tanh'], cell: false }),
  LSTM: rule({ step: lstm, gates: 4, defaults: ['sigmoid', 'tanh', 'tanh'], cell: true }),
} satisfies Readonly<Record<string, ForeignRule>>;
