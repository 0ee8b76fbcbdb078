/**
 * How well positions are ranked by what is known of them without labels: Spearman's correlation of each predictor of `suture diagnose` with the
 * scores of `suture sweep` on test sets, and what the position that each would choose scores.
 *
 *     node dist/bench/positions.js NAME=DIAGNOSIS.json,OWN_SWEEP.json,PARTNER_SWEEP.json ...
 *
 * A diagnosis is what `suture diagnose RUN --data VAL.npz --json` prints, a sweep what `suture sweep RUN --data TEST.npz --json` does.
 */
import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { diagnosisSchema, type RunDiagnosis } from '../src/selection/diagnose/diagnose.ts';
import { type Predictor, predictors, promise, rankCorrelation } from '../src/selection/diagnose/positions.ts';
import { type Sweep, sweepSchema } from '../src/selection/sweep.ts';

interface Case {
  readonly name: string;
  readonly diagnosis: RunDiagnosis;
  readonly sweeps: readonly Sweep[];
}

const read = async <S extends v.GenericSchema>(schema: S, file: string): Promise<v.InferOutput<S>> =>
  v.parse(schema, JSON.parse(await readFile(file, 'utf8')));

const cases: Case[] = [];
for (const argument of process.argv.slice(2)) {
  const [, name, files] = /^([^=]+)=(.+)$/.exec(argument) ?? [];
  const [first, ...others] = files?.split(',') ?? [];
  if (name === undefined || first === undefined || others.length === 0) throw new Error(`${argument} is no case.`);
  const sweeps: Sweep[] = [];
  for (const file of others) sweeps.push(await read(sweepSchema, file));
  cases.push({ name, diagnosis: await read(diagnosisSchema, first), sweeps });
}
if (cases.length === 0) throw new Error('Name cases: NAME=DIAGNOSIS.json,SWEEP.json.');

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The scores of all positions less that of the ensemble, so that more is better. */
function gainsOf({ positions, references, higherIsBetter }: Sweep): readonly number[] {
  const ensemble = references.find(({ name }) => name === 'ensemble')!.value;
  return positions.map(({ value }) => (higherIsBetter ? 1 : -1) * (value - ensemble));
}

/** The mean over sweeps. */
const together = (sweeps: readonly Sweep[]): readonly number[] => {
  const gains = sweeps.map(gainsOf);
  return gains[0].map((_, i) => mean(gains.map(gain => gain[i])));
};

/** What positions are ranked by: the predictors, other depths, and the scores on the own validation data. */
const rankings: readonly (readonly [name: string, of: (diagnosis: RunDiagnosis) => readonly number[]])[] = [
  ...predictors
    .filter(predictor => predictor !== 'depth')
    .map((predictor: Predictor) => {
      const of = ({ positions }: RunDiagnosis): readonly number[] =>
        positions.map(p => promise(predictor, p) ?? Number.NaN);
      return [predictor, of] as const;
    }),
  ...[0.4, 0.5, 0.6, 0.7].map(depth => {
    const of = ({ positions }: RunDiagnosis): readonly number[] => positions.map(p => -Math.abs(p.depth - depth));
    return [`depth ${depth}`, of] as const;
  }),
  ['own labels', ({ positions }) => positions.map(({ value = Number.NaN }) => value)],
];

const row = (cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`);
function head(cells: readonly string[]): void {
  row(cells);
  row(cells.map(() => '---'));
}
const signed = (value: number, digits: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`;

console.log('\nRank correlation with the mean score over the test sets:\n');
head(['run', ...rankings.map(([name]) => name)]);
const correlations = (c: Case, sweeps: readonly Sweep[]): readonly number[] =>
  rankings.map(([, of]) => rankCorrelation(of(c.diagnosis), together(sweeps)));
for (const c of cases) row([c.name, ...correlations(c, c.sweeps).map(rho => signed(rho, 2))]);
const averages = (of: (c: Case) => readonly number[]): readonly number[] => {
  const rows = cases.map(of);
  return rows[0].map((_, i) => mean(rows.map(values => values[i])));
};
const sets = cases[0].sweeps.map((_, i) => i);
/** Rows of means over the cases: on all test sets, and on each. */
function meanRows(of: (c: Case, sweeps: readonly Sweep[]) => readonly number[], digits: number): void {
  const texts = (values: readonly number[]): string[] => values.map(value => signed(value, digits));
  row(['mean', ...texts(averages(c => of(c, c.sweeps)))]);
  for (const i of sets) {
    const name = ['on the own test set', 'on the partner’s'][i] ?? `on set ${i}`;
    row([`mean, ${name}`, ...texts(averages(c => of(c, [c.sweeps[i]])))]);
  }
}
meanRows(correlations, 2);

console.log('\nThe mean score at the first position of each ranking, less that of the output ensemble:\n');
head(['run', ...rankings.map(([name]) => name), 'any position', 'the best']);
/** Of equal ones the last, as rule 3 takes it. */
function chosen(c: Case, sweeps: readonly Sweep[]): readonly number[] {
  const gains = together(sweeps);
  const at = rankings.map(([, of]) => {
    const worth = of(c.diagnosis).map(value => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value));
    return gains[worth.lastIndexOf(Math.max(...worth))];
  });
  return [...at, mean(gains), Math.max(...gains)];
}
for (const c of cases) row([c.name, ...chosen(c, c.sweeps).map(gain => signed(gain, 4))]);
meanRows(chosen, 4);
