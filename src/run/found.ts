/** Settings of a run by what `suture search` found, and by what its stitches were trained for. */
import { printable, SutureError } from '../../ir/errors.ts';
import { checkDiscrete, type DiscreteSetting } from '../network/discrete.ts';
import { bestWithin } from '../selection/search/budget.ts';
import { type SearchPoint, searchSchema } from '../selection/search/search.ts';
import { discreteText } from '../selection/search/text.ts';
import type { LoadedRun } from './load.ts';

/** Which setting of a run. */
export type FoundChoice =
  /** Of what `suture search` found, the best that costs at most this share of the plain output ensemble: see `bestWithin`. */
  | { readonly budget: number }
  /** One of what `suture search` found, by its number or its name. */
  | { readonly setting: number | string }
  /** The one that the run's stitches were trained for: see `stitchFurther`. */
  | { readonly trained: true };

/** A setting that can be chosen; with scores where a search knows them. */
export type FoundSetting = DiscreteSetting & Pick<SearchPoint, 'name'> & Partial<SearchPoint>;

/**
 * The setting that a choice is for.
 *
 * @throws SutureError `run-invalid` without a search; `option-invalid` for what it did not find.
 */
export async function foundIn(run: LoadedRun, choice: FoundChoice): Promise<FoundSetting> {
  const found = await chosenOf(run, choice);
  checkDiscrete(run.network, found);
  return found;
}

async function chosenOf(run: LoadedRun, choice: FoundChoice): Promise<FoundSetting> {
  const path = printable(run.directory.path);
  if ('trained' in choice) {
    const [only, ...others] = trainedFor(run);
    if (only && others.length === 0) return only;
    throw new SutureError(
      'option-invalid',
      only
        ? `The stitches of ${path} were trained for ${1 + others.length} settings: name one with --setting, as '${only.name}'.`
        : `The stitches of ${path} were trained for no setting: \`suture stitch ${path} --setting\` makes a run of such.`,
    );
  }
  const named = 'setting' in choice && trainedFor(run).find(({ name }) => name === choice.setting);
  const search = await run.directory.readJson('search', searchSchema);
  if (!search) {
    if (named) return named;
    throw new SutureError(
      'run-invalid',
      `${path} has no search over settings to choose from; run \`suture search\` first.`,
    );
  }
  if ('budget' in choice) return bestWithin(search, choice.budget);
  const { front } = search;
  const { setting } = choice;
  const found = typeof setting === 'number' ? front[setting] : front.find(({ name }) => name === setting);
  if (found || named) return found ?? (named as FoundSetting);
  throw new SutureError(
    'option-invalid',
    `The search found no setting ${printable(String(setting))}: its front has 0 to ${front.length - 1}, which \`suture search\` shows.`,
  );
}

/** The settings that a run's stitches were trained for, under the names that a search gives them. */
export function trainedFor({ directory, network }: Pick<LoadedRun, 'directory' | 'network'>): readonly FoundSetting[] {
  const { training } = directory.config;
  if (training.settings !== 'found') return [];
  return training.found.map(setting => ({ ...setting, name: discreteText(network, setting) }));
}
