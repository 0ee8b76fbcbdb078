/** The command that makes a run again, of what the run says of itself. */
import { SutureError } from '../../ir/errors.ts';
import { type AnyOption, longName } from '../options/option.ts';
import type { FollowUp, RunConfig } from '../run/config.ts';
import { type Training, type TrainingRequest, trainingOptions, withDefaults } from '../training/options.ts';

/** A word for a shell of POSIX: what it might take for something else stands in quotes. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** An option that is given: its name, and what it is said to be. */
const said = (name: string, value: string | number): readonly string[] => [`--${name}`, String(value)];

/** What an option of a training is said to be, so that it is read as the same value. */
function trainingWord(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.join(name === 'output' ? '/' : ',');
  return name === 'memory' && Number(value) > 1 ? `${String(value)}B` : String(value);
}

/** The options of a training that are not what would hold without them. Options that a shorter list decides are tried without. */
function trainingWords(training: Training, dense: boolean): readonly string[] {
  const given: Record<string, unknown> = {};
  const isReached = (some: Readonly<Record<string, unknown>>): boolean => {
    try {
      const found = withDefaults(some as TrainingRequest, { dense });
      return Object.entries(training).every(
        ([name, value]) => JSON.stringify(found[name as keyof typeof found]) === JSON.stringify(value),
      );
    } catch (error) {
      if (error instanceof SutureError) return false;
      throw error;
    }
  };
  const known = Object.entries(training).filter(([name, value]) => value !== undefined && name in trainingOptions);
  for (const [name, value] of known) given[name] = value;
  for (const [name] of known.toReversed()) {
    const { [name]: _, ...others } = given;
    if (isReached(others)) delete given[name];
  }
  return Object.entries(given).flatMap(([name, value]) => {
    const option: AnyOption = trainingOptions[name as keyof typeof trainingOptions];
    const long = longName(name, option);
    return option.negated ? (value === false ? [`--no-${long}`] : []) : said(long, trainingWord(name, value));
  });
}

/** What was said of data and networks. */
function dataWords({ labels = {}, parents, task, outputMean }: RunConfig): readonly string[] {
  const { ignoreLabel, regions, folder = {} } = labels;
  const activations = new Set(Object.values(parents).map(({ meaning }) => meaning.activation));
  const [activation] = activations;
  return [
    ...said('task', task),
    ...(activations.size === 1 && activation ? said('activation', activation) : []),
    ...(outputMean === 'probabilities' ? [] : said('output-mean', outputMean)),
    ...(ignoreLabel === undefined ? [] : said('ignore-label', ignoreLabel)),
    ...(regions ? said('regions', regions.map(classes => classes.join('+')).join(',')) : []),
    ...(folder.plans === undefined ? [] : said('plans', folder.plans)),
    ...Object.entries(folder.partners ?? {}).flatMap(([tag, file]) => said(`plans-${tag}`, file)),
    ...(folder.configuration === undefined ? [] : said('configuration', folder.configuration)),
    ...(folder.tile ? said('tile', folder.tile.join(',')) : []),
    ...(folder.fold === undefined ? [] : said('fold', folder.fold)),
    ...Object.entries(parents).flatMap(([tag, { output }]) =>
      output === undefined ? [] : said(`output-${tag}`, output),
    ),
    ...Object.entries(parents).flatMap(([tag, { classes }]) =>
      classes ? said(`classes-${tag}`, classes.map(found => found ?? '-').join(',')) : [],
    ),
  ];
}

/** What follows a training. */
function followUpWords(asked: FollowUp): readonly string[] {
  const { gate, gateOver, metric, stress, budget, distill, rule, depth, position, half } = asked;
  return [
    ...asked.tests.flatMap(({ name, source }) => said('test', `${name}=${source}`)),
    ...(metric ? said('metric', metric) : []),
    ...(gate === false ? ['--no-gate'] : []),
    ...(gateOver ? said('gate-over', gateOver) : []),
    ...(stress ? [] : ['--no-shift']),
    ...(stress?.files ?? []).flatMap(({ name, source }) => said('stress', `${name}=${source}`)),
    ...(stress?.changes ? said('changes', stress.changes.join(',')) : []),
    ...(stress?.images === undefined ? [] : said('shift-images', stress.images)),
    ...(budget === undefined ? [] : said('budget', budget)),
    ...(distill === undefined ? [] : said('distill', distill)),
    ...(rule === undefined ? [] : said('rule', rule)),
    ...(depth === undefined ? [] : said('depth', depth)),
    ...(position === undefined ? [] : said('position', position)),
    ...(half ? ['--half'] : []),
  ];
}

/**
 * `suture run …`, or of a run without a follow-up `suture stitch …`, as one types it, but for where it is to be made.
 *
 * @param dense whether the networks answer for every place: what training does without being told depends on it.
 * @returns undefined for a run that goes on from another one.
 */
export function commandOf(config: RunConfig, asked: FollowUp | undefined, dense: boolean): string | undefined {
  const { training, parents, data, executor } = config;
  if (training.settings === 'found') return undefined;
  return [
    'suture',
    asked ? 'run' : 'stitch',
    ...Object.values(parents).map(({ source }) => source),
    ...(asked ? [...said('train', data.source), ...said('val', asked.validation.source)] : said('data', data.source)),
    ...(asked ? followUpWords(asked) : []),
    ...dataWords(config),
    ...trainingWords(training, dense),
    ...said('executor', executor.name),
  ]
    .map(quoted)
    .join(' ');
}
