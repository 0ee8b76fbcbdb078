/**
 * What a file may make of itself. A few lines of nested loops, functions or doublings can stand for more nodes, numbers or formulas than
 * any memory holds, so whatever a file does not spell out is charged to one budget where it is made.
 */
import { SutureError } from './errors.ts';

export interface Limits {
  /** Nodes that unrolled loops, recurrences, branches and inlined functions may add. */
  readonly nodes: number;
  /** How deep functions, branches and loops may lie in each other. */
  readonly depth: number;
  /** Characters of the formula of one dimension. */
  readonly formula: number;
  /** Bytes of constants that are computed from others, and of names that are put together. */
  readonly bytes: number;
  /** Elements that may be read, written and multiplied in computing constants. */
  readonly work: number;
  /** Numbers in the weight of one stitch: layers that need more are not matched with each other. */
  readonly stitch: number;
}

type LimitName = keyof Limits;

const defaultLimits: Limits = {
  nodes: 100_000,
  depth: 100,
  formula: 4096,
  bytes: 2 ** 26,
  work: 2 ** 28,
  stitch: 2 ** 25,
};

/** What grew, said of a model, for each limit that ends the work on it. */
const exceeded: Readonly<Record<Exclude<LimitName, 'stitch'>, (limit: number) => string>> = {
  nodes: limit => `unfolds to more than ${limit} nodes by its loops, branches and functions`,
  depth: limit => `nests functions, branches or loops more than ${limit} deep`,
  formula: limit => `has a dimension whose formula is longer than ${limit} characters`,
  bytes: limit => `computes more than ${limit} bytes of constants and names that it does not hold`,
  work: limit => `computes its constants by more than ${limit} operations`,
};

/** Ends whatever is being done to a model: going on could take for ever. */
export class LimitError extends SutureError {
  /** What is said of the model, without a subject. */
  readonly problem: string;

  constructor(name: keyof typeof exceeded, limit: number) {
    const raised = 4 * limit;
    const problem =
      `${exceeded[name](limit)}; if it is meant to, raise the limit: SUTURE_LIMITS=${name}=${raised} in the environment, or ` +
      `{ limits: { ${name}: ${raised} } } for importOnnx.`;
    super('model-limit', `The model ${problem}`);
    this.problem = problem;
  }
}

/** A browser has none. */
const environment = globalThis.process?.env;

/**
 * The limits that hold: those given, else those of the environment variable `SUTURE_LIMITS` (`nodes=1000000,depth=200`), else the
 * defaults.
 *
 * @throws SutureError `option-invalid` for a name that is no limit, or a value that is no positive integer.
 */
export function limitsFrom(given: Partial<Limits> = {}, variable = environment?.SUTURE_LIMITS): Limits {
  const limits: { -readonly [name in LimitName]: number } = { ...defaultLimits };
  const entries: (readonly [string, unknown])[] = (variable ?? '').split(',').flatMap(part => {
    const [name, ...value] = part.split('=');
    return part.trim() === '' ? [] : [[name.trim(), Number(value.join('=') || Number.NaN)] as const];
  });
  for (const [name, value] of [...entries, ...Object.entries(given)]) {
    if (value === undefined) continue;
    if (!Object.hasOwn(defaultLimits, name) || !Number.isSafeInteger(value) || (value as number) < 1) {
      throw new SutureError(
        'option-invalid',
        `${JSON.stringify(name)} can't be limited to ${JSON.stringify(value)}: limits are ${Object.keys(defaultLimits).join(', ')}, each a positive integer, as in SUTURE_LIMITS=nodes=1000000,depth=200.`,
      );
    }
    limits[name as LimitName] = value as number;
  }
  return limits;
}

/** What is left of the limits while one model is read, or one graph rewritten. */
export class Budget {
  readonly limits: Limits;
  #nodes = 0;
  #bytes = 0;
  #work = 0;
  #depth = 0;
  #refused = false;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** @throws LimitError */
  spendNodes(count: number): void {
    this.#nodes += count;
    if (this.#nodes > this.limits.nodes) throw new LimitError('nodes', this.limits.nodes);
  }

  /** @throws LimitError */
  spendBytes(count: number): void {
    if (!this.hasBytes(count)) throw new LimitError('bytes', this.limits.bytes);
  }

  /** Spends bytes if there are so many left: for what can be done without. */
  hasBytes(count: number): boolean {
    if (!(this.#bytes + count <= this.limits.bytes)) return this.#refuse();
    this.#bytes += count;
    return true;
  }

  /** As `hasBytes`, for operations. */
  hasWork(count: number): boolean {
    if (!(this.#work + count <= this.limits.work)) return this.#refuse();
    this.#work += count;
    return true;
  }

  /** Whether something was asked for that there was no room for. */
  get refused(): boolean {
    return this.#refused;
  }

  #refuse(): false {
    this.#refused = true;
    return false;
  }

  /** Runs `body` one level deeper. @throws LimitError */
  deeper<T>(body: () => T): T {
    if (this.#depth >= this.limits.depth) throw new LimitError('depth', this.limits.depth);
    this.#depth++;
    try {
      return body();
    } finally {
      this.#depth--;
    }
  }
}

let active: Budget | undefined;

/** The budget of the model that is being worked on; type rules and formulas have no other way to it. */
export const activeBudget = (): Budget | undefined => active;

/** Runs `body`, which must not be asynchronous, on a budget. */
export function withBudget<T>(budget: Budget, body: () => T): T {
  const outer = active;
  active = budget;
  try {
    return body();
  } finally {
    active = outer;
  }
}
