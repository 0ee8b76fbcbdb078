/**
 * The search over the settings of a run against random search, at equal numbers of evaluations.
 *
 *     node dist/bench/search.js RUN VAL.npz [--images N] [--changes LIST] [--evaluations 16,32,64] [--seeds N] [--exhaustive] [--keep FILE]
 *
 * The objectives are the score on some of the validation images, the mean score on the same images under changes, and the cost in
 * operations. An evaluation is a run of the switches, which tells the scores of all outputs. Ways to spend them:
 *
 * - `draws`: how many switches are drawn is uniform in its logarithm; they, their uses and the output are uniform;
 * - `few`: settings drawn as the search draws those that are not near what it found, mostly of few switches;
 * - `begun`: first the settings that one would try, then `draws`;
 * - `search`.
 *
 * Prints by the number of evaluations the hypervolume of each way over that of `draws` of the same seed, as median [least, most] over the
 * seeds. The reference point is the worse parent's scores and a cost a tenth above the ensemble's.
 *
 * `--exhaustive` evaluates all settings of a small run first, and prints shares of the hypervolume of their true front instead. `--keep`
 * appends what is evaluated to a file, a line each, and takes from there what an earlier call on the same data evaluated.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadDataset } from '../src/data/load.ts';
import { Random } from '../src/data/random.ts';
import { changeNames } from '../src/data/shift/changes.ts';
import { withExecutor } from '../src/execution/open.ts';
import { LabelledData } from '../src/metrics/labelled.ts';
import { sampleOf, stressScore } from '../src/metrics/stress.ts';
import { stressSets } from '../src/metrics/stress-sets.ts';
import type { DiscreteSetting } from '../src/network/discrete.ts';
import { labelsOfRun } from '../src/run/config.ts';
import { loadRun } from '../src/run/load.ts';
import type { Point } from '../src/selection/front.ts';
import { costsOf } from '../src/selection/search/cost.ts';
import { scoreUses } from '../src/selection/search/evaluate.ts';
import { type Genome, keyOf, SettingSpace } from '../src/selection/search/genome.ts';
import { hypervolume } from '../src/selection/search/hypervolume.ts';
import { LocalSearch, redrawn } from '../src/selection/search/local-search.ts';
import { naturalSettings } from '../src/selection/search/natural.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '8' },
    changes: { type: 'string', default: 'gamma,bias-field' },
    evaluations: { type: 'string', default: '16,32,64' },
    seeds: { type: 'string', default: '3' },
    exhaustive: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
});
const [path, file] = positionals;
if (path === undefined || file === undefined) throw new Error('Name a run directory and its validation data.');
const run = await loadRun(path);
const { network, parents, directory } = run;
const said = labelsOfRun(directory.config);
const images = Number(options.images);
const own = LabelledData.toChooseBy(parents, sampleOf(await loadDataset(file, said), images, 0));
const asked = options.changes.split(',');
const changes = changeNames.filter(name => asked.includes(name));
const sets = [{ name: 'own', data: own }, ...(await stressSets(own, parents, { changes, images }, said))];
const space = new SettingSpace(network);
const costOf = costsOf(run, own.dataset);
const canonical = (setting: DiscreteSetting): Genome => space.canonical(space.genomeOf(setting));
const natural = naturalSettings(network).map(canonical);
const counts = options.evaluations.split(',').map(Number);
const most = Math.max(...counts);

/** Networks that are evaluated together. */
const together = 8;

/** What a run of the switches tells, by its uses: shared by all ways. */
const known = new Map<string, ReadonlyMap<string, Point>>();

const learn = (uses: DiscreteSetting['uses'], told: readonly (readonly [string, Point])[]): void => {
  const points = told.map(([output, point]): [string, Point] => [keyOf(canonical({ uses, output })), point]);
  known.set(JSON.stringify(uses), new Map(points));
};

if (options.keep !== undefined && existsSync(options.keep)) {
  for (const line of readFileSync(options.keep, 'utf8').trim().split('\n')) {
    const { uses, told } = JSON.parse(line);
    learn(uses, told);
  }
}

/** As many switches off their originals as `draws` says. */
function drawn(random: Random): Genome {
  const count = space.choices.length - 1;
  const used = Math.min(count, Math.floor((count + 1) ** random.float()));
  const genome = [...Array<number>(count).fill(0), random.int(space.outputs.length)];
  for (const gene of random.permutation(count).subarray(0, used)) {
    if (space.choices[gene] > 1) genome[gene] = 1 + random.int(space.choices[gene] - 1);
  }
  return space.canonical(genome);
}

const usesKey = ({ uses }: DiscreteSetting): string => JSON.stringify(uses);

await withExecutor({ executor: 'ort' }, async executor => {
  async function evaluate(settings: readonly DiscreteSetting[]): Promise<void> {
    const fresh = [...new Map(settings.map(s => [usesKey(s), s.uses])).values()].filter(
      uses => !known.has(JSON.stringify(uses)),
    );
    for (let first = 0; first < fresh.length; first += together) {
      const some = fresh.slice(first, first + together);
      const scores = await scoreUses({ executor }, run, some, { sets, outputs: space.outputs });
      for (const [i, uses] of some.entries()) {
        const told = [...scores[i]].map(([output, [score, ...others]]): [string, Point] => {
          const setting = space.settingOf(canonical({ uses, output }));
          return [output, [score, stressScore(others).value, -costOf(setting)]];
        });
        learn(uses, told);
        if (options.keep !== undefined) appendFileSync(options.keep, `${JSON.stringify({ uses, told })}\n`);
      }
      process.stderr.write(`\r${known.size} evaluated `);
    }
  }

  /** What one way has seen, evaluation by evaluation. */
  class Spending {
    readonly #points = new Map<string, Point>();
    readonly #runs = new Set<string>();
    readonly #after: Point[][] = [];

    async ask(genomes: readonly Genome[]): Promise<readonly (Point | undefined)[]> {
      const told = new Set(this.#points.keys());
      const asked: DiscreteSetting[] = [];
      for (const genome of genomes) {
        if (told.has(keyOf(genome)) || this.#runs.size + asked.length === most) continue;
        asked.push(space.settingOf(genome));
        for (const other of space.toldBy(genome)) told.add(keyOf(other));
      }
      await evaluate(asked);
      for (const setting of asked) {
        this.#runs.add(usesKey(setting));
        for (const [key, point] of known.get(usesKey(setting))!) this.#points.set(key, point);
        this.#after.push([...this.#points.values()]);
      }
      return genomes.map(genome => this.#points.get(keyOf(genome)));
    }

    get isSpent(): boolean {
      return this.#runs.size === most;
    }

    volume(count: number): number {
      return hypervolume(this.#after[Math.min(count, this.#after.length) - 1], reference);
    }
  }

  await evaluate([{ uses: {}, output: 'mean' }]);
  const alone = parents.map((_, i) => known.get('{}')!.get(keyOf(canonical({ uses: {}, output: space.outputs[i] })))!);
  const reference = [...[0, 1].map(axis => Math.min(...alone.map(point => point[axis]))), -1.1];
  const unchanged = space.choices.map(() => 0);
  const drawing = async (spending: Spending, draw: () => Genome): Promise<void> => {
    while (!spending.isSpent) await spending.ask(Array.from({ length: together }, draw));
  };
  const ways: Readonly<Record<string, (seed: number, spending: Spending) => Promise<void>>> = {
    draws: (seed, spending) => {
      const random = Random.seeded(seed, 'random search');
      return drawing(spending, () => drawn(random));
    },
    few: (seed, spending) => {
      const random = Random.seeded(seed, 'random search');
      return drawing(spending, () => space.joint(redrawn(space, unchanged, random)));
    },
    begun: async (seed, spending) => {
      const random = Random.seeded(seed, 'random search');
      await spending.ask(natural);
      await drawing(spending, () => drawn(random));
    },
    search: (seed, spending) => new LocalSearch(space, genomes => spending.ask(genomes), { seed, natural }).run(),
  };

  let whole: number | undefined;
  if (options.exhaustive) {
    const all = space.choices.reduce<readonly number[][]>(
      (genomes, choices) => genomes.flatMap(g => Array.from({ length: choices }, (_, i) => [...g, i])),
      [[]],
    );
    const settings = [...new Map(all.map(g => space.canonical(g)).map(g => [keyOf(g), space.settingOf(g)])).values()];
    await evaluate(settings);
    whole = hypervolume(
      [...known.values()].flatMap(told => [...told.values()]),
      reference,
    );
    process.stdout.write(`${settings.length} settings by ${known.size} runs of the switches\n`);
  }
  const shares = new Map<string, number[]>();
  for (let seed = 0; seed < Number(options.seeds); seed++) {
    const spent = new Map<string, Spending>();
    for (const [way, spend] of Object.entries(ways)) {
      spent.set(way, new Spending());
      await spend(seed, spent.get(way)!);
    }
    for (const [way, spending] of spent) {
      for (const count of counts) {
        const key = `${way}, ${count}`;
        const share = spending.volume(count) / (whole ?? spent.get('draws')!.volume(count));
        shares.set(key, [...(shares.get(key) ?? []), share]);
      }
    }
    process.stderr.write(`seed ${seed} done\n`);
  }
  for (const [key, values] of shares) {
    const sorted = values.toSorted((p, q) => p - q);
    const [low, middle, high] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)!].map(v => v.toFixed(3));
    process.stdout.write(`${key}: ${middle} [${low}, ${high}]\n`);
  }
});
