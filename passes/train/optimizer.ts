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

/** AdamW (arXiv 1711.05101) with a learning rate that falls to `minimum` along half a cosine in `steps` steps. */
export interface OptimizerOptions {
  /** The length of the schedule. Past it the rate stays at `minimum`. */
  readonly steps: number;
  /** Default 1e-2. */
  readonly learningRate?: number;
  /** Default 0. */
  readonly minimum?: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Default 0. */
  readonly weightDecay?: number;
}

/**
 * One step of training as a pure function: data, parameters and optimiser state in, loss, gradients, new parameters and new state
 * out. The batch may be symbolic. After a step each output of `carry` becomes the input that it is mapped to.
 */
export interface TrainingStep {
  readonly graph: Graph;
  /** From outputs to the inputs that take their place in the next step: parameters and state. */
  readonly carry: ReadonlyMap<string, string>;
  /** Inputs that the host feeds at every step. */
  readonly data: readonly string[];
  /** Inputs that are trained. Their first values come from an initialisation. */
  readonly parameters: readonly string[];
  /** The optimiser's inputs with their first values. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** The output that holds the loss, before the update. */
  readonly loss: string;
  readonly terms: readonly LossTerm[];
  /** For each parameter the output that holds its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * Differentiates a loss and adds the optimiser.
 *
 * The learning rate at step t (from 0) is `minimum + (rate - minimum) · (1 + cos(π·t/steps)) / 2`, as of PyTorch's
 * CosineAnnealingLR. The bias corrections `1 - βᵗ` are carried and updated by `c ← β·c + (1 - β)`: no power is taken, and nothing is
 * lost to cancellation, as it would be for `1 - 0.999` in float32.
 *
 * @throws SutureError `adjoint-missing`; `option-invalid` for a schedule without steps or a parameter of unknown shape.
 */
export function trainingStep(given: LossGraph, options: OptimizerOptions): TrainingStep {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
  if (!(options.steps >= 1)) {
    throw new SutureError('option-invalid', `The schedule must have at least one step, not ${options.steps}.`);
  }
  if (given.parameters.length === 0) {
    throw new SutureError('option-invalid', 'There is nothing to train: no stitch is used and no weight is learned.');
  }
  const { graph, gradients } = differentiate(given.graph, given);
  const b = continued(graph);
  const state = new State(b);

  const step = state.scalar('adamw/step', 0);
  const [bias1, bias2] = [
    { name: 'adamw/bias1', beta: beta1 },
    { name: 'adamw/bias2', beta: beta2 },
  ].map(({ name, beta }) => {
    const carried = state.scalar(name, 0);
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

  const attributes = { beta1, beta2, epsilon, weight_decay: weightDecay };
  for (const name of given.parameters) {
    const parameter = graph.input(name);
    const [m, v] = [state.zeros(`adamw/m/${name}`, parameter), state.zeros(`adamw/v/${name}`, parameter)];
    const next = b.ops('AdamW', [parameter, graph.output(gradients.get(name)!), m, v, rate, bias1, bias2], attributes, {
      name: `adamw/${name}`,
      outputs: [`next/${name}`, `next/adamw/m/${name}`, `next/adamw/v/${name}`],
    });
    for (const [i, input] of [parameter, m, v].entries()) state.carry(next[i], input);
  }
  const { data, parameters, loss, terms } = given;
  return { graph: b.build(), carry: state.carried, data, parameters, state: state.initial, loss, terms, gradients };
}

function cosine(b: GraphBuilder, step: Value, { learningRate = 1e-2, minimum = 0, steps }: OptimizerOptions): Value {
  const at = b.op('Min', [step, b.scalar(steps)]);
  const wave = b.op('Cos', [b.op('Mul', [at, b.scalar(Math.PI / steps)])]);
  const half = (learningRate - minimum) / 2;
  return b.op('Add', [b.op('Mul', [wave, b.scalar(half)]), b.scalar(half + minimum)], {}, { name: 'adamw/rate' });
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

  scalar(name: string, value: number): Value {
    this.initial.set(name, scalar(value));
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
