/** What a sweep over settings varies, and an export fixes: where features are averaged, and how features and outputs are weighed. */
import { SutureError, type Tensor } from '../../ir/index.ts';
import {
  type GateScope,
  type Setting,
  type SuperNetwork,
  type Tag,
  weightedAt,
  withOutputs,
} from '../../passes/index.ts';
import { tagOf } from '../network/tags.ts';
import type { OutputShares } from '../options/kinds.ts';

/** One share for each parent. */
export const sharesOf = (output: OutputShares): readonly number[] =>
  typeof output === 'number' ? [output, 1 - output] : output;

/** All parents alike. */
export const alike = (parents: number): readonly number[] => Array<number>(parents).fill(1 / parents);

/** Shares as documents say them. */
export const statedShares = (shares: readonly number[]): number | number[] =>
  shares.length === 2 ? shares[0] : [...shares];

/** A setting of all switches, in the terms of the parents. */
export interface Combination {
  /** Where features are averaged, in both directions; none: the parents as they are. */
  readonly positions: readonly number[];
  /** The share of the original feature there; `learned`: as `suture weigh` left it. */
  readonly weight: number | 'learned';
  /** With a gate, the shares on images of which all parents are as sure. */
  readonly output: OutputShares;
  /** Whether a gate weighs the outputs on each image by how sure the parents are: see `settleGated`. Default false. */
  readonly gated?: boolean | undefined;
  /** What has shares of its own with a gate: each image (default), or each case. */
  readonly gateOver?: GateScope | undefined;
}

/** The tag of the only parent whose output has a share, if there is but one: then there is nothing for a gate to weigh. */
export function onlyAnswer(output: OutputShares): Tag | undefined {
  const heard = sharesOf(output).flatMap((share, parent) => (share > 0 ? [parent] : []));
  return heard.length === 1 ? tagOf(heard[0]) : undefined;
}

/** What `suture weigh` learned. */
export interface LearnedWeights {
  /** The switches that were weighed, as the positions they are at. */
  readonly positions: readonly number[];
  /** By the names of the super-network's inputs: weights of switches, [S] or per channel. */
  readonly switches: ReadonlyMap<string, Tensor>;
  readonly output: OutputShares;
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
  const shares = [...sharesOf(output), ...(weight === 'learned' ? [] : [weight])];
  const wrong = shares.find(v => !(v >= 0 && v <= 1));
  if (wrong !== undefined)
    throw new SutureError('option-invalid', `A share must lie between 0 and 1, not be ${wrong}.`);
  checkShares(network, sharesOf(output));
}

function checkShares({ parents }: SuperNetwork, shares: readonly number[]): void {
  const sum = shares.reduce((total, v) => total + v, 0);
  if (shares.length === parents.length && Math.abs(sum - 1) < 1e-6) return;
  throw new SutureError(
    'option-invalid',
    `The shares ${shares.join(', ')} of the output must be ${parents.length}, one for each parent, and sum to 1.`,
  );
}

/** The setting that a combination stands for. A gate is no part of it. */
export function settingOf(network: SuperNetwork, c: Combination, learned?: LearnedWeights): Setting {
  const setting = weightedAt(network, c.weight === 'learned' ? 1 : c.weight, ...c.positions);
  if (c.weight !== 'learned') return withOutputs(network, setting, sharesOf(c.output));
  if (!learned) {
    throw new SutureError('run-invalid', 'The run has no learned weights; `suture weigh` learns them.');
  }
  return withOutputs(network, new Map([...setting, ...learned.switches]), sharesOf(c.output));
}

/** `38, 41 at 0.9, output 0.5, gated`, for tables and notes in files. */
export function combinationText({ positions, weight, output, gated, gateOver }: Combination): string {
  const where = positions.length === 0 ? 'no stitch' : `${positionsText(positions)} at ${weight}`;
  return `${where}, output ${outputText(output)}${gated ? gatedText(gateOver) : ''}`;
}

/** As in `no stitch, gated over cases`. */
export const gatedText = (over: GateScope = 'image'): string => (over === 'case' ? ', gated over cases' : ', gated');

/** `0.5`, or of more than two parents `0.5/0.25/0.25`. */
export const outputText = (output: OutputShares): string =>
  (typeof output === 'number' ? [output] : output).map(v => Number(v.toFixed(3))).join('/');

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
