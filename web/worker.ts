/** Where all is computed, so that the page stays awake. It keeps what was made; one request is done after the other. */
import { matchableValues } from '../passes/match.ts';
import {
  compareNetworks,
  createBrowserExecutor,
  type Dataset,
  type Execution,
  type Executor,
  type Exported,
  exportNetwork,
  type JoinedNetworks,
  joinNetworks,
  type Model,
  parseDataset,
  positionByDepth,
  readNetwork,
  requireComparable,
  SutureError,
  type TrainedNetworks,
  trainStitches,
  withTraining,
} from '../src/web/index.ts';
import type { Asked, GivenNetwork, Kind, Matched, Outcome, Problem, Requests, Told } from './messages.ts';

/** What is used of the worker's scope: the types of pages have it otherwise. */
interface Scope {
  postMessage(message: Told): void;
  onmessage: ((event: { readonly data: Asked }) => void) | null;
}
const scope = globalThis as unknown as Scope;

/** Trained networks, and what can be saved of them. */
interface Made {
  readonly trained: TrainedNetworks;
  readonly choices: readonly Exported[];
}

let executor: Executor | undefined;
let joined: JoinedNetworks | undefined;
let validation: Dataset | undefined;
let made: Made | undefined;
let stopping = new AbortController();

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('The page asks for what follows from nothing.');
  return value;
}

const execution = (): Execution => ({
  executor: present(executor),
  signal: stopping.signal,
  onProgress: event => scope.postMessage({ kind: 'progress', event }),
});

const read = ({ name, bytes, external }: GivenNetwork): Promise<Model> =>
  readNetwork(bytes, name, { external: new Map(external.map(file => [file.name, file.bytes])) });

const perform: { readonly [K in Kind]: (ask: Requests[K]['ask']) => Promise<Requests[K]['answer']> } = {
  async open() {
    executor = await createBrowserExecutor();
    return { device: executor.describe() };
  },

  async match({ networks, train, validation: given }) {
    [joined, validation, made] = [undefined, undefined, undefined];
    const models: Model[] = [];
    for (const network of networks) models.push(await read(network));
    const dataset = parseDataset(train.bytes, train.name);
    const labelled = given && parseDataset(given.bytes, given.name);
    const found = await joinNetworks(execution(), models, dataset);
    // Not after minutes of training.
    if (labelled) requireComparable(found, labelled);
    [joined, validation] = [found, labelled];
    return matchedOf(joined);
  },

  async train(numbers) {
    made = undefined;
    const networks = withTraining(present(joined), numbers);
    const trained = await trainStitches(execution(), networks, {
      metricsEvery: Math.max(1, Math.floor(numbers.steps / 200)),
      onMetrics: entry => scope.postMessage({ kind: 'metrics', entry }),
    });
    return validation ? compared(trained, validation) : unscored(trained);
  },

  async save({ row }) {
    const { trained, choices } = present(made);
    return exportNetwork(trained, choices[row]) as Uint8Array<ArrayBuffer>;
  },
};

/** The columns are what could be matched, in the order in which it is computed. */
function matchedOf({ parents, network, dataset, training, warnings }: JoinedNetworks): Matched {
  const [own, partner] = parents;
  const matchable = matchableValues(own.graph, partner.graph);
  const features = [matchable.a, matchable.b].map(values => values.map(({ name }) => name));
  const columns = parents.map(({ path }, i) => ({
    title: `${network.parents[i].tag}: ${path}`,
    features: features[i],
  }));
  const rows = network.positions.map(({ id, features: joint, score }) => ({
    ...{ position: id, score },
    at: network.parents.map(({ tag }, i) => features[i].indexOf(joint[tag])),
    links: [[0, 1] as const],
  }));
  const { steps, batch } = training;
  return { parts: { columns, rows }, images: dataset.count, warnings, usual: { steps, batch } };
}

async function compared(trained: TrainedNetworks, labelled: Dataset): Promise<Outcome> {
  const { sweep, selection, verdict, candidates } = await compareNetworks(execution(), trained, labelled);
  made = { trained, choices: candidates.map(candidate => ({ candidate, verdict })) };
  return { compared: { sweep, verdict }, selection, names: candidates.map(({ name }) => name) };
}

function unscored(trained: TrainedNetworks): Outcome {
  const position = positionByDepth(trained);
  made = { trained, choices: [{ position }] };
  return { compared: undefined, selection: { position, rule: 3 }, names: [`stitched at ${position}`] };
}

/** What is no fault of what was given is told as it is: a defect. */
function problemOf(error: unknown): Problem {
  if (error instanceof SutureError) {
    const { message, details, code } = error;
    return { message, details, isInterruption: code === 'interrupted' };
  }
  const { stack, message } = error instanceof Error ? error : new Error(String(error));
  return { message: `This should not have happened: ${message}`, details: stack ? [stack] : [], isInterruption: false };
}

async function answer<K extends Kind>({
  kind,
  id,
  ask,
}: Extract<Asked, { readonly kind: K; readonly id: number }>): Promise<void> {
  stopping = new AbortController();
  try {
    const performed = perform[kind] as (asked: object) => Promise<Requests[Kind]['answer']>;
    scope.postMessage({ kind: 'answer', id, answer: await performed(ask) });
  } catch (error) {
    scope.postMessage({ kind: 'problem', id, problem: problemOf(error) });
  }
}

let last: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  if (data.kind === 'stop') stopping.abort();
  else last = last.then(() => answer(data));
};
