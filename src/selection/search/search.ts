/** The search over settings: scores at home and under shift against cost. */
import * as v from 'valibot';
import { type Execution, throwIfInterrupted } from '../../execution/progress.ts';
import type { LabelledData } from '../../metrics/labelled.ts';
import { type Metric, metricNames } from '../../metrics/metric.ts';
import { dataSetsSchema, scoreSchema } from '../../metrics/schema.ts';
import { dataFacts, type StressSet, stressScore } from '../../metrics/stress.ts';
import { type DiscreteSetting, discreteEntries, settleDiscrete } from '../../network/discrete.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import { type Point, paretoSet } from '../front.ts';
import type { NamedData } from '../measure.ts';
import { costKinds, costsOf, ensemble, measuredCosts } from './cost.ts';
import { scoreUses } from './evaluate.ts';
import { type Genome, keyOf, SettingSpace } from './genome.ts';
import { LocalSearch } from './local-search.ts';
import { naturalSettings } from './natural.ts';
import { discreteText } from './text.ts';

/** `search.json`. */
export const searchSchema = v.object({
  metric: v.picklist(metricNames),
  higherIsBetter: v.boolean(),
  /** The own site's validation data first, then the stress sets. */
  sets: dataSetsSchema,
  cost: v.picklist(costKinds),
  seed: v.number(),
  /** What the scores are of: equal text, equal data. */
  data: v.string(),
  /** Every run of the switches, in the order of the search: what its outputs score on each set, and cost. */
  evaluated: v.array(
    v.object({
      uses: discreteEntries.uses,
      results: v.array(v.object({ output: v.string(), scores: v.array(scoreSchema), cost: v.number() })),
    }),
  ),
  /** The settings that no other found is as good as and as cheap as, cheapest first. */
  front: v.array(
    v.object({
      ...discreteEntries,
      name: v.string(),
      /** The score on the validation data. */
      own: scoreSchema,
      /** The mean of the scores on the stress sets; absent without any. */
      shift: v.optional(scoreSchema),
      /** A share of what the plain output ensemble costs. */
      cost: v.number(),
    }),
  ),
});

export type Search = v.InferOutput<typeof searchSchema>;
export type SearchPoint = Search['front'][number];
type Evaluated = Search['evaluated'][number];

export interface SearchOptions {
  /** How many runs of the switches may be evaluated, those of `known` counted. */
  readonly evaluations: number;
  readonly seed: number;
  readonly cost: Search['cost'];
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
}

export interface Searched {
  /** The own site's validation data. */
  readonly own: LabelledData;
  readonly stress: readonly StressSet[];
  /** Names the data: equal text, equal data. */
  readonly key: string;
  /** What to begin with, before what one would try of any network. */
  readonly begin?: readonly DiscreteSetting[];
}

interface SearchState {
  /** What an earlier search of the same data, seed and kind of cost evaluated, in its order. */
  readonly known?: readonly Evaluated[];
  /** Is given what was found, again and again. */
  readonly keep?: ((found: Search) => Promise<void>) | undefined;
}

/** How many networks are evaluated together, and between them the search can be stopped. */
const together = 8;

/**
 * Searches the settings of a super-network for those that no other surpasses. A longer search goes on from a shorter one's `evaluated` as
 * if it had been one.
 *
 * @throws SutureError `interrupted`, after `keep` was given what was found.
 */
export async function searchSettings(
  execution: Execution,
  trained: TrainedNetwork,
  searched: Searched,
  { known = [], keep, ...options }: SearchOptions & SearchState,
): Promise<Search> {
  const { network } = trained;
  const space = new SettingSpace(network);
  const metric = searched.own.metricFor({
    name: 'the output ensemble',
    graph: settleDiscrete(network, ensemble, trained.parameters),
    meaning: network.outputs[0].combined,
  });
  const runs = new Runs(space, { execution, trained, searched, options, known, keep, metric });
  const genomes = (settings: readonly DiscreteSetting[]) => settings.map(s => space.canonical(space.genomeOf(s)));
  const search = new LocalSearch(space, asked => runs.ask(asked), {
    seed: options.seed,
    begin: genomes(searched.begin ?? []),
    natural: genomes(naturalSettings(network)),
  });
  await search.run();
  runs.finish();
  return runs.found();
}

type Result = Evaluated['results'][number];

interface Work extends Required<Pick<SearchState, 'known'>>, Pick<SearchState, 'keep'> {
  readonly execution: Execution;
  readonly trained: TrainedNetwork;
  readonly searched: Searched;
  readonly options: SearchOptions;
  /** That of the validation data, before anything is scored. */
  readonly metric: Pick<Metric, 'name' | 'higherIsBetter'>;
}

const stage = 'searching the settings';

/** Runs of the switches: what was evaluated, and what may be. */
class Runs {
  readonly #space: SettingSpace;
  readonly #work: Work;
  readonly #limit: number;
  readonly #evaluated: Evaluated[] = [];
  /** By the keys of genomes. */
  readonly #results = new Map<string, { readonly setting: DiscreteSetting; readonly result: Result }>();
  /** Of an earlier search, by the text of the uses. */
  readonly #earlier: ReadonlyMap<string, Evaluated>;
  readonly #operations: (setting: DiscreteSetting) => number;
  /** By the keys of genomes: what is one network has one cost, however it is come to and whenever it is measured. */
  readonly #costs = new Map<string, number>();

  constructor(space: SettingSpace, work: Work) {
    this.#space = space;
    this.#work = work;
    this.#limit = Math.max(work.options.evaluations, work.known.length);
    this.#operations = costsOf(work.trained, work.searched.own.dataset);
    this.#earlier = new Map(work.known.map(run => [JSON.stringify(run.uses), run]));
  }

  /** Points of canonical genomes: undefined from where the evaluations are spent. @throws SutureError `interrupted`. */
  async ask(genomes: readonly Genome[]): Promise<readonly (Point | undefined)[]> {
    const told = new Set<string>();
    const runs: DiscreteSetting['uses'][] = [];
    for (const genome of genomes) {
      if (this.#results.has(keyOf(genome)) || told.has(keyOf(genome))) continue;
      if (this.#evaluated.length + runs.length === this.#limit) break;
      runs.push(this.#space.settingOf(genome).uses);
      for (const other of this.#space.toldBy(genome)) told.add(keyOf(other));
    }
    for (let first = 0; first < runs.length; first += together)
      await this.#evaluate(runs.slice(first, first + together));
    return genomes.map(genome => {
      const found = this.#results.get(keyOf(genome));
      return found && this.#pointOf(found.result);
    });
  }

  async #evaluate(runs: readonly DiscreteSetting['uses'][]): Promise<void> {
    const { onProgress } = this.#work.execution;
    onProgress?.({ stage, done: this.#evaluated.length, total: this.#limit });
    const earlier = runs.map(uses => this.#earlier.get(JSON.stringify(uses)));
    const fresh = await this.#fresh(runs.filter((_, i) => !earlier[i]));
    let next = 0;
    for (const known of earlier) this.#take(known ?? fresh[next++]);
    const note = `${this.#front().length} on the front`;
    onProgress?.({ stage, done: this.#evaluated.length, total: this.#limit, note });
    if (fresh.length > 0) await this.#work.keep?.(this.found());
  }

  /** What is not known of an earlier search. */
  async #fresh(runs: readonly DiscreteSetting['uses'][]): Promise<readonly Evaluated[]> {
    const { execution, trained, searched, options } = this.#work;
    if (runs.length === 0) return [];
    throwIfInterrupted(execution.signal, 'The search');
    const scores = await scoreUses(execution, trained, runs, {
      sets: setsOf(searched),
      outputs: this.#space.outputs,
      batch: options.batch,
    });
    await this.#cost(runs.flatMap(uses => this.#space.outputs.map(output => this.#canonical({ uses, output }))));
    return runs.map((uses, i) => ({
      uses: { ...uses },
      results: Array.from(scores[i], ([output, scored]) => ({
        output,
        scores: [...scored],
        cost: this.#costs.get(keyOf(this.#canonical({ uses, output })))!,
      })),
    }));
  }

  /** Finds what genomes cost, where that is not known. */
  async #cost(genomes: readonly Genome[]): Promise<void> {
    const { execution, trained, searched, options } = this.#work;
    const { dataset } = searched.own;
    const unknown = new Map(genomes.map(genome => [keyOf(genome), this.#space.settingOf(genome)]));
    for (const key of this.#costs.keys()) unknown.delete(key);
    const settings = [...unknown.values()];
    const costs =
      options.cost === 'time'
        ? await measuredCosts(execution, trained, dataset, settings)
        : settings.map(this.#operations);
    for (const [i, key] of [...unknown.keys()].entries()) this.#costs.set(key, costs[i]);
  }

  readonly #canonical = (setting: DiscreteSetting): Genome => this.#space.canonical(this.#space.genomeOf(setting));

  #take(run: Evaluated): void {
    this.#evaluated.push(run);
    for (const result of run.results) {
      const genome = this.#canonical({ uses: run.uses, output: result.output });
      const setting = this.#space.settingOf(genome);
      this.#costs.set(keyOf(genome), result.cost);
      if (!this.#results.has(keyOf(genome))) this.#results.set(keyOf(genome), { setting, result });
    }
  }

  /** Scores, each so that more is better, and the cost, so that less is more. */
  #pointOf({ scores: [own, ...stress], cost }: Result): Point {
    const sign = this.#work.metric.higherIsBetter ? 1 : -1;
    return [sign * own, ...(stress.length > 0 ? [sign * stressScore(stress).value] : []), -cost];
  }

  #front() {
    const scored = [...this.#results.values()].filter(({ result }) => Number.isFinite(result.scores[0]));
    // Of equal points the one of the fewest stitches.
    const used = ({ setting }: (typeof scored)[number]): number => Object.keys(setting.uses).length;
    const sorted = scored.sort((p, q) => p.result.cost - q.result.cost || used(p) - used(q));
    const points = sorted.map(({ result }) => this.#pointOf(result));
    const seen = new Set<string>();
    return paretoSet(points).flatMap(i => {
      const key = points[i].join();
      if (seen.has(key)) return [];
      seen.add(key);
      return [sorted[i]];
    });
  }

  /** The search has ended before all evaluations were spent: nothing new was to be found. */
  finish(): void {
    const done = this.#evaluated.length;
    this.#work.execution.onProgress?.({ stage, done: Math.max(1, done), total: Math.max(1, done) });
  }

  found(): Search {
    const { searched, options, trained } = this.#work;
    const { key } = searched;
    const { seed, cost } = options;
    const { name: metric, higherIsBetter } = this.#work.metric;
    return {
      metric,
      higherIsBetter,
      sets: dataFacts(setsOf(searched)),
      ...{ cost, seed, data: key },
      evaluated: this.#evaluated,
      front: this.#front().map(
        ({
          setting,
          result: {
            scores: [home, ...others],
            cost: share,
          },
        }) => ({
          name: discreteText(trained.network, setting),
          uses: { ...setting.uses },
          output: setting.output,
          own: home,
          ...(others.length > 0 && { shift: stressScore(others).value }),
          cost: share,
        }),
      ),
    };
  }
}

const setsOf = ({ own, stress }: Searched): readonly NamedData[] => [{ name: 'validation', data: own }, ...stress];
