/** A run's super-network under one setting: what is deployed. */
import type { Graph, TensorType } from '../../ir/index.ts';
import {
  type GateScope,
  guardSizes,
  narrow,
  type OutputMeaning,
  type Setting,
  settle,
  settledMeaning,
  settleGated,
  sizesText,
} from '../../passes/index.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import { gateMetadata } from '../network/gate.ts';
import { meaningMetadata } from '../network/meaning.ts';
import type { FeatureEntries } from '../network/tags.ts';
import {
  type Combination,
  checkCombination,
  combinationText,
  type LearnedWeights,
  settingOf,
} from '../selection/combination.ts';
import type { SearchPoint } from '../selection/search/search.ts';
import type { Rule } from '../selection/select.ts';
import type { LoadedRun } from './load.ts';

/** At one position it has the features that are joined there, by tag: `a`, `b`, … */
export interface ExportedNetwork extends FeatureEntries {
  /** What it is among the candidates of a verdict: `output ensemble, gated`. */
  readonly candidate?: string;
  /** Multiply-adds for an image, as a share of what all parents together take. */
  readonly cost?: number;
  /** Set when one position is averaged. */
  readonly position?: number;
  /** Set when a combination was asked for. */
  readonly combination?: Combination;
  /** Set when it is a setting that a search found, with its scores where the search is of these stitches. */
  readonly found?: Pick<SearchPoint, 'name'> & Partial<Pick<SearchPoint, 'own' | 'shift' | 'cost'>>;
  /** Set when a rule chose. */
  readonly rule?: Rule;
  /** Set when outputs are weighed on each image by how sure the parents are. */
  readonly gated?: true;
  /** Set when it is a batch, and not an image, on which they are. */
  readonly gateOver?: 'case';
  readonly file: string;
  /** What the run's verdict has against it. */
  readonly warnings?: readonly string[];
  /** What its output means. */
  readonly output: OutputMeaning | undefined;
  /** How many images it takes at a time. */
  readonly batch: number | 'any';
  /** Which sizes it takes, where they are open and not all will do: `height and width that are multiples of 32`. */
  readonly sizes?: string;
  readonly nodes: number;
  readonly parameters: number;
}

/** What the exported network computes in. */
export const exportDtypes = ['float32', 'float16'] as const;
export type ExportDtype = (typeof exportDtypes)[number];

/** A run's network under a setting, with a note of where it came from. */
export function deployed(
  run: LoadedRun,
  setting: Setting,
  note: string,
  gated = false,
  over: GateScope = 'image',
): Graph {
  const { network, parameters, directory } = run;
  const settled = gated
    ? settleGated(network, setting, parameters, { standard: true, over })
    : settle(network, setting, parameters, { standard: true });
  const graph = guardSizes(
    settled,
    run.parents.map(parent => parent.inputType.shape),
  );
  const { parents } = directory.config;
  const sizes = sizesText(graph.inputs[0].type.shape);
  const metadata = {
    ...graph.info.metadata,
    ...meaningMetadata(settledMeaning(network.outputs[0], setting)),
    'suture.batch': String(fixedBatch(graph) ?? 'any'),
    ...(sizes !== undefined && { 'suture.sizes': sizes }),
    'suture.setting': note,
    ...(gated && gateMetadata(over)),
    ...Object.fromEntries(Object.entries(parents).map(([tag, { sha256 }]) => [`suture.parent.${tag}`, sha256])),
  };
  return graph.with({ info: { ...graph.info, metadata } });
}

/** A run's network under a combination. @throws SutureError `option-invalid`, `run-invalid`. */
export function deployedCombination(run: LoadedRun, combination: Combination, learned?: LearnedWeights): Graph {
  const { network } = run;
  checkCombination(network, combination);
  const setting = settingOf(network, combination, learned);
  return deployed(run, setting, combinationText(combination), combination.gated, combination.gateOver);
}

/**
 * A deployed network in the dtype that was asked for.
 *
 * @throws SutureError `option-invalid` when a weight lies beyond float16's range.
 */
export function inDtype({ parents }: LoadedRun, graph: Graph, dtype: ExportDtype = 'float32'): Graph {
  if (dtype === 'float32') return graph;
  const { file } = parents[0];
  const [input, output] = [file.inputs[0].type, file.outputs[0].value.type];
  const ends = ({ dtype: own }: TensorType): ExportDtype => (own === 'float16' ? 'float16' : 'float32');
  return narrow(graph, {
    // Sums over all pixels and logarithms of small shares: float16 has neither their range nor their digits.
    keep: node => node.origin?.combines === true,
    input: ends(input),
    output: ends(output),
  });
}
