/** What a sweep over settings varies, and an export fixes: where features are averaged, and how features and outputs are weighed. */
import { SutureError, type Tensor } from '../../ir/index.ts';
import { type Setting, type SuperNetwork, weightedAt, withOutputs } from '../../passes/index.ts';

/** A setting of all switches, in the terms of the two parents. */
export interface Combination {
  /** Where features are averaged, in both directions; none: the parents as they are. */
  readonly positions: readonly number[];
  /** The share of the original feature there; `learned`: as `suture weigh` left it. */
  readonly weight: number | 'learned';
  /** Parent a's share of the output; with a gate, on images of which both parents are as sure. */
  readonly output: number;
  /** Whether a gate weighs the outputs on each image by how sure the parents are: see `settleGated`. Default false. */
  readonly gated?: boolean | undefined;
}

/** What `suture weigh` learned. */
export interface LearnedWeights {
  /** The switches that were weighed, as the positions they are at. */
  readonly positions: readonly number[];
  /** By the names of the super-network's inputs: weights of switches, [S] or per channel. */
  readonly switches: ReadonlyMap<string, Tensor>;
  /** Parent a's share of the output. */
  readonly output: number;
}

/** @throws SutureError `option-invalid` for a position that the network does not have. */
export function checkPositions(network: SuperNetwork, positions: readonly number[]): void {
  const missing = positions.find(id => !network.positions.some(p => p.id === id));
  if (missing === undefined) return;
  throw new SutureError(
    'option-invalid',
    `There is no position ${missing}; the run has the positions 0 to ${network.positions.length - 1}.`,
  );
}

/** Checks numbers and positions. @throws SutureError `option-invalid`. */
export function checkCombination(network: SuperNetwork, { positions, weight, output }: Combination): void {
  checkPositions(network, positions);
  const shares = [output, ...(weight === 'learned' ? [] : [weight])];
  const wrong = shares.find(v => !(v >= 0 && v <= 1));
  if (wrong !== undefined)
    throw new SutureError('option-invalid', `A share must lie between 0 and 1, not be ${wrong}.`);
}

/** The setting that a combination stands for. A gate is no part of it. */
export function settingOf(network: SuperNetwork, c: Combination, learned?: LearnedWeights): Setting {
  const setting = weightedAt(network, c.weight === 'learned' ? 1 : c.weight, ...c.positions);
  if (c.weight !== 'learned') return withOutputs(network, setting, [c.output, 1 - c.output]);
  if (!learned) {
    throw new SutureError('run-invalid', 'The run has no learned weights; `suture weigh` learns them.');
  }
  return withOutputs(network, new Map([...setting, ...learned.switches]), [c.output, 1 - c.output]);
}

/** `38, 41 at 0.9, output 0.5, gated`, for tables and notes in files. */
export function combinationText({ positions, weight, output, gated }: Combination): string {
  const where = positions.length === 0 ? 'no stitch' : `${positionsText(positions)} at ${weight}`;
  return `${where}, output ${output}${gated ? ', gated' : ''}`;
}

/** Neighbouring numbers as ranges: `38, 41–44`. */
export function positionsText(positions: readonly number[]): string {
  const runs: number[][] = [];
  for (const p of positions) {
    const last = runs.at(-1);
    if (last && p === last.at(-1)! + 1) last.push(p);
    else runs.push([p]);
  }
  return runs.map(r => (r.length > 2 ? `${r[0]}–${r.at(-1)}` : r.join(', '))).join(', ');
}
