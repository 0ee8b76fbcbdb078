/** A study as a grid of cells: pair × fold × seed × method, each with what it needs, under a key that says what it is made of. */
import { hashData } from '../data/raw/load.ts';
import { hashBytes, hashFile } from '../files/hash.ts';
import { type Method, methods, type Site, type StudyRequest } from './request.ts';
import { requireValidation } from './sites.ts';

/** Beside the methods: stitches trained for all that is made of them, and in other ways for a curve alone. */
export type Kind = Method | 'run' | 'direct' | 'all';

export interface Cell {
  /** Equal keys, equal inputs: `run-a-b-s0-1c9f03ab`. */
  readonly key: string;
  readonly kind: Kind;
  /** The own site, and the partner of what is of a pair. Of merged data and FedAvg in the order of the study. */
  readonly sites: readonly string[];
  readonly seed: number;
  readonly fold?: number | undefined;
  /** Keys of cells that must have ended, each before this one in the grid. */
  readonly needs: readonly string[];
  /**
   * Of a network alone the SHA-256 of the test data of each site, which are no part of its key: where another site comes, or has other test
   * data, the network is scored again and not trained again.
   */
  readonly testData?: Readonly<Record<string, string>>;
}

/** What is computed with, in a stage after those that it needs: cells of one stage do not wait for each other. */
export const stageOf = (kind: Kind): number => (kind === 'alone' ? 0 : stagesAfterRun.has(kind) ? 2 : 1);

const stagesAfterRun: ReadonlySet<Kind> = new Set(['gated', 'stitched', 'trunk', 'distilled']);
const symmetric: ReadonlySet<Kind> = new Set(['merged', 'fedavg']);

/** Of what is said of stitches, what goes with every way of training them; each has defaults of its own for all else. */
export const otherWay = ({ steps, batch, memory }: StudyRequest['stitch']): StudyRequest['stitch'] => ({
  ...{ steps, batch, memory },
});

/** What of a request decides a cell's numbers, beside its data and what it needs. */
export function settingsOf(
  { train, finetune, fedavg, stitch, distill, evaluations, budget }: StudyRequest,
  kind: Kind,
): Readonly<Record<string, unknown>> | undefined {
  switch (kind) {
    case 'alone':
    case 'merged':
      return train;
    case 'fedavg':
      return { train, fedavg };
    case 'finetune':
    case 'finetune-shift':
      return finetune;
    case 'run':
      return stitch;
    case 'direct':
    case 'all':
      return otherWay(stitch);
    case 'trunk':
      return { evaluations, budget };
    case 'distilled':
      return distill;
    case 'ensemble':
    case 'gated':
    case 'stitched':
      return undefined;
    default:
      return kind satisfies never;
  }
}

/** All cells of a study, each after what it needs. @throws SutureError as `requireValidation`; `data-unreadable`, `model-unreadable`. */
export async function cellsOf(request: StudyRequest): Promise<readonly Cell[]> {
  const { sites, seeds, folds, methods: asked, curves, task, metric, labels = {}, executor, architecture } = request;
  await requireValidation(request);
  const hashes = new Map<string, unknown>();
  const testData: Record<string, string> = {};
  for (const { name, network, plans, ...data } of sites) {
    const files: Record<string, string> = {};
    for (const [use, file] of Object.entries(data)) if (file !== undefined) files[use] = await hashData(file, labels);
    testData[name] = files.test;
    hashes.set(name, {
      ...files,
      network: network === undefined ? undefined : await hashFile(network, 'model-unreadable'),
      plans: plans === undefined ? undefined : await hashFile(plans),
    });
  }
  const layers = architecture === undefined ? undefined : await hashFile(architecture, 'model-unreadable');
  const common = { task, metric, labels, executor, layers };
  const cells = new Map<string, Cell>();
  type Draw = { readonly seed: number; readonly fold: number | undefined };
  const add = (kind: Kind, of: readonly string[], needs: readonly string[], { seed, fold }: Draw): string => {
    const inputs = [common, kind, settingsOf(request, kind), of.map(name => hashes.get(name)), seed, fold, needs];
    const hash = hashBytes(JSON.stringify(inputs)).slice(0, 8);
    const where = fold === undefined ? '' : `-f${fold}`;
    const key = `${kind}-${of.join('-')}${where}-s${seed}-${hash}`;
    const place = { key, kind, sites: of, seed, ...(fold !== undefined && { fold }), needs };
    cells.set(key, kind === 'alone' ? { ...place, testData } : place);
    return key;
  };
  const pairs =
    request.pairs ??
    sites.flatMap(({ name: own }) => sites.filter(({ name }) => name !== own).map(({ name }) => [own, name] as const));
  const inOrder = (of: readonly string[]): readonly string[] =>
    sites.map(({ name }) => name).filter(name => of.includes(name));
  const wanted = methods.filter(method => asked.includes(method));
  for (const fold of folds ?? [undefined]) {
    for (const seed of seeds) {
      const draw = { seed, fold };
      const alone = (name: string): string => add('alone', [name], [], draw);
      for (const { name } of asked.includes('alone') ? sites : []) alone(name);
      for (const pair of pairs) {
        const parents = pair.map(alone);
        const isStitched = wanted.some(method => stagesAfterRun.has(method));
        const run = isStitched ? add('run', pair, parents, draw) : undefined;
        for (const way of curves) if (run !== undefined) add(way, pair, parents, draw);
        for (const method of wanted) {
          if (method === 'alone') continue;
          const of = symmetric.has(method) ? inOrder(pair) : pair;
          const needs = of === pair ? parents : of.map(alone);
          add(method, of, stagesAfterRun.has(method) && run !== undefined ? [...parents, run] : needs, draw);
        }
      }
    }
  }
  return [...cells.values()].sort((p, q) => stageOf(p.kind) - stageOf(q.kind));
}

export const siteNamed = ({ sites }: StudyRequest, name: string): Site => sites.find(site => site.name === name)!;
