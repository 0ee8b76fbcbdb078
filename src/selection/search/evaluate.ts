/** Scores of many settings at once: one run of the switches tells them for every output. */
import { SutureError } from '../../../ir/index.ts';
import type { SuperNetwork } from '../../../passes/index.ts';
import type { Execution } from '../../execution/progress.ts';
import { type DiscreteSetting, settingOfDiscrete } from '../../network/discrete.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import { alike } from '../combination.ts';
import { type Blend, measure, type NamedData, prepare } from '../measure.ts';

/** One score for each data set, by the output. */
export type ScoresByOutput = ReadonlyMap<string, readonly number[]>;

/** How a setting's outputs are put together. */
function blendOf({ parents }: SuperNetwork, output: string): Blend {
  const alone = parents.findIndex(({ tag }) => tag === output);
  return alone < 0
    ? { output: alike(parents.length), gated: output === 'gated' }
    : { output: parents.map((_, i) => (i === alone ? 1 : 0)) };
}

/** What uses of the switches are scored on. */
export interface Scoring {
  readonly sets: readonly NamedData[];
  /** Those of `SettingSpace`. */
  readonly outputs: readonly string[];
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
}

/**
 * Scores uses of the switches on data sets. Networks that answer with NaN have no scores.
 *
 * @throws SutureError `interrupted`.
 */
export async function scoreUses(
  { executor, signal }: Execution,
  trained: TrainedNetwork,
  uses: readonly DiscreteSetting['uses'][],
  on: Scoring,
): Promise<readonly ScoresByOutput[]> {
  const { sets, outputs, batch } = on;
  const { network } = trained;
  const blends = outputs.map(output => blendOf(network, output));
  const execution = { executor, ...(signal && { signal }) };
  const scored = async (some: readonly DiscreteSetting['uses'][]): Promise<readonly ScoresByOutput[]> => {
    const settings = some.map(used => ({
      setting: settingOfDiscrete(network, { uses: used, output: 'mean' }),
      blends,
    }));
    const prepared = prepare(trained, settings);
    const measured = await measure(execution, prepared, sets, batch);
    return some.map(
      (_, i) =>
        new Map(outputs.map((output, o) => [output, measured.map(set => set[i].metricOf(blends[o]).score().value)])),
    );
  };
  try {
    return await scored(uses);
  } catch (error) {
    if (!(error instanceof SutureError) || error.code !== 'output-not-finite') throw error;
    if (uses.length === 1) return [new Map(outputs.map(output => [output, sets.map(() => Number.NaN)]))];
    const each: ScoresByOutput[] = [];
    for (const used of uses) each.push(...(await scoreUses(execution, trained, [used], on)));
    return each;
  }
}
