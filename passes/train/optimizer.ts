import {
  arrayFor,
  type Graph,
  type GraphBuilder,
  SutureError,
  scalar,
  staticShape,
  type Tensor,
  typeText,
  type Value,
} from '../../ir/index.ts';
import { continued, differentiate } from '../differentiate/index.ts';
import type { LossGraph, LossTerm } from './losses.ts';

interface Common {
  /** The length of the schedule. Past it the rate stays where it ended. */
  readonly steps: number;
  /** Default 1e-2. */
  readonly learningRate?: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default: all. */
  readonly decays?: (parameter: string) => boolean;
  /** The norm that the gradients of all parameters together are scaled down to where it is larger. Default: they stay as they are. */
  readonly clip?: number;
}

/** AdamW (arXiv 1711.05101) with a learning rate that falls to `minimum` along half a cosine in `steps` steps. */
export interface AdamWOptions extends Common {
  readonly kind?: 'adamw';
  /** Default 0. */
  readonly minimum?: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/**
 * Stochastic gradient descent with Nesterov's momentum, as PyTorch has it (the decay is a part of the gradient), with a learning rate that
 * falls to 0 as `(1 - t/steps)^0.9`: what nnU-Net trains with.
 */
export interface SgdOptions extends Common {
  readonly kind: 'sgd';
  /** Default 0.99. */
  readonly momentum?: number;
}

export type OptimizerOptions = AdamWOptions | SgdOptions;

/**
 * One step of training as a pure function: data, parameters and optimiser state in, loss, gradients, new parameters and new state
 * out. The batch may be symbolic. After a step each output of `carry` becomes the input that it is mapped to.
 */
export interface TrainingStep {
  readonly graph: Graph;
  /** From outputs to the inputs that take their place in the next step: parameters, running statistics and state. */
  readonly carry: ReadonlyMap<string, string>;
  /** Inputs that the host feeds at every step. */
  readonly data: readonly string[];
  /** Inputs that are trained. Their first values come from an initialisation. */
  readonly parameters: readonly string[];
  /** What a training comes to: the parameters, and running statistics. */
  readonly learned: readonly string[];
  /** The optimiser's inputs with their first values. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** That of them which counts the steps, from 0: where the schedule is. */
  readonly counter: string;
  /** The output that holds the loss, before the update. */
  readonly loss: string;
  readonly terms: readonly LossTerm[];
  /** For each parameter the output that holds its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * Differentiates a loss and adds the optimiser.
 *
 * @throws SutureError `adjoint-missing`; `option-invalid` for a schedule without steps or a parameter of unknown shape.
 */
export function trainingStep(given: LossGraph, options: OptimizerOptions): TrainingStep {
  if (!(options.steps >= 1)) {
    throw new SutureError('option-invalid', `The schedule must have at least one step, not ${options.steps}.`);
  }
  if (given.parameters.length === 0) {
    throw new SutureError('option-invalid', 'There is nothing to train: no stitch is used and no weight is learned.');
  }
  const { graph, gradients } = differentiate(given.graph, given);
  const b = continued(graph);
  const state = new State(b);
  const parameters = given.parameters.map(name => ({
    value: graph.input(name),
    gradient: graph.output(gradients.get(name)!),
    decay: options.decays?.(name) === false ? 0 : (options.weightDecay ?? 0),
  }));
  const trained = options.clip === undefined ? parameters : clipped(b, parameters, options.clip);
  const { name: counter } =
    options.kind === 'sgd' ? descend(b, state, trained, options) : addAdamW(b, state, trained, options);
  const { data, loss, terms, running = new Map<string, string>() } = given;
  return {
    graph: b.build(),
    carry: new Map([...state.carried, ...running]),
    data,
    parameters: given.parameters,
    learned: [...given.parameters, ...running.values()],
    state: state.initial,
    counter,
    loss,
    terms,
    gradients,
  };
}

/** What is trained, with its gradient. */
interface Trained {
  readonly value: Value;
  readonly gradient: Value;
  readonly decay: number;
}

/** Gradients scaled by `min(1, norm / (‖g‖ + 1e-6))`, as of PyTorch's `clip_grad_norm_`. */
function clipped(b: GraphBuilder, parameters: readonly Trained[], norm: number): readonly Trained[] {
  return b.scope('clip', () => {
    const squares = parameters.map(({ gradient: g }) => b.op('ReduceSum', [b.op('Mul', [g, g])], { keepdims: 0 }));
    const length = b.op('Sqrt', [squares.reduce((sum, square) => b.op('Add', [sum, square]))]);
    const wanted = b.op('Div', [b.scalar(norm), b.op('Add', [length, b.scalar(1e-6)])]);
    const factor = b.op('Min', [wanted, b.scalar(1)]);
    return parameters.map(({ gradient, ...rest }) => ({ ...rest, gradient: b.op('Mul', [gradient, factor]) }));
  });
}

/**
 * The learning rate at step t (from 0) is `minimum + (rate - minimum) · (1 + cos(π·t/steps)) / 2`, as of PyTorch's
 * CosineAnnealingLR. The bias corrections `1 - βᵗ` are carried and updated by `c ← β·c + (1 - β)`: no power is taken, and nothing is
 * lost to cancellation, as it would be for `1 - 0.999` in float32.
 *
 * @returns what counts the steps, as {@link descend}.
 */
function addAdamW(b: GraphBuilder, state: State, parameters: readonly Trained[], options: AdamWOptions): Value {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const step = state.scalar('adamw/step');
  const [bias1, bias2] = [
    { name: 'adamw/bias1', beta: beta1 },
    { name: 'adamw/bias2', beta: beta2 },
  ].map(({ name, beta }) => {
    const carried = state.scalar(name);
    const next = b.op(
      'Add',
      [b.op('Mul', [carried, b.scalar(beta)]), b.scalar(1 - beta)],
      {},
      { name: `next/${name}` },
    );
    state.carry(next, carried);
    return next;
  });
  state.carry(b.op('Add', [step, b.scalar(1)], {}, { name: 'next/adamw/step' }), step);
  const rate = cosine(b, step, options);

  for (const { value, gradient, decay } of parameters) {
    const { name } = value;
    const [m, v] = [state.zeros(`adamw/m/${name}`, value), state.zeros(`adamw/v/${name}`, value)];
    const attributes = { beta1, beta2, epsilon, weight_decay: decay };
    const next = b.ops('AdamW', [value, gradient, m, v, rate, bias1, bias2], attributes, {
      name: `adamw/${name}`,
      outputs: [`next/${name}`, `next/adamw/m/${name}`, `next/adamw/v/${name}`],
    });
    for (const [i, input] of [value, m, v].entries()) state.carry(next[i], input);
  }
  return step;
}

function cosine(b: GraphBuilder, step: Value, { learningRate = 1e-2, minimum = 0, steps }: AdamWOptions): Value {
  const at = b.op('Min', [step, b.scalar(steps)]);
  const wave = b.op('Cos', [b.op('Mul', [at, b.scalar(Math.PI / steps)])]);
  const half = (learningRate - minimum) / 2;
  return b.op('Add', [b.op('Mul', [wave, b.scalar(half)]), b.scalar(half + minimum)], {}, { name: 'adamw/rate' });
}

/** nnU-Net's. */
const polynomial = 0.9;

/** The learning rate of {@link SgdOptions} at step t from 0, a share of that at the start. */
export const polynomialDecay = (t: number, steps: number): number => (1 - Math.min(t, steps) / steps) ** polynomial;

/** `g ← g + decay · p; v ← μ·v + g; p ← p - rate · (g + μ·v)`. */
function descend(b: GraphBuilder, state: State, parameters: readonly Trained[], options: SgdOptions): Value {
  const { momentum = 0.99, learningRate = 1e-2, steps } = options;
  const step = state.scalar('sgd/step');
  state.carry(b.op('Add', [step, b.scalar(1)], {}, { name: 'next/sgd/step' }), step);
  const left = b.op('Sub', [b.scalar(1), b.op('Mul', [b.op('Min', [step, b.scalar(steps)]), b.scalar(1 / steps)])]);
  const share = b.op('Pow', [b.op('Max', [left, b.scalar(0)]), b.scalar(polynomial)]);
  const rate = b.op('Mul', [share, b.scalar(learningRate)], {}, { name: 'sgd/rate' });
  const factor = b.scalar(momentum);
  for (const { value, gradient, decay } of parameters) {
    const { name } = value;
    const v = state.zeros(`sgd/v/${name}`, value);
    const g = decay === 0 ? gradient : b.op('Add', [gradient, b.op('Mul', [value, b.scalar(decay)])]);
    const nextV = b.op('Add', [b.op('Mul', [v, factor]), g], {}, { name: `next/sgd/v/${name}` });
    const ahead = b.op('Add', [g, b.op('Mul', [nextV, factor])]);
    state.carry(b.op('Sub', [value, b.op('Mul', [ahead, rate])], {}, { name: `next/${name}` }), value);
    state.carry(nextV, v);
  }
  return step;
}

/** Inputs that the optimiser carries from step to step. */
class State {
  readonly #b: GraphBuilder;
  readonly initial = new Map<string, Tensor>();
  readonly carried = new Map<string, string>();
  /** Moments of one type begin as the same zeros: those of wide stitches take gigabytes. */
  readonly #zeros = new Map<string, Tensor>();

  constructor(b: GraphBuilder) {
    this.#b = b;
  }

  /** A number that begins as 0. */
  scalar(name: string): Value {
    this.initial.set(name, scalar(0));
    return this.#b.input(name, { dtype: 'float32', shape: [] });
  }

  zeros(name: string, like: Value): Value {
    const shape = staticShape(like.type.shape);
    if (!shape)
      throw new SutureError('option-invalid', `The shape of '${like.name}' must be known: ${typeText(like.type)}.`);
    const { dtype } = like.type;
    const key = `${dtype}[${shape}]`;
    const zeros = this.#zeros.get(key) ?? {
      dtype,
      shape,
      data: arrayFor(
        dtype,
        shape.reduce((p, q) => p * q, 1),
      ),
    };
    this.#zeros.set(key, zeros);
    this.initial.set(name, zeros);
    return this.#b.input(name, { dtype, shape });
  }

  carry(next: Value, input: Value): void {
    const name = `next/${input.name}`;
    this.#b.output(name, next);
    this.carried.set(name, input.name);
  }
}
