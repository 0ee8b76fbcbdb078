/** A run's super-network under one setting: what is deployed. */
import type { Graph, TensorType } from '../../ir/index.ts';
import { narrow, type OutputMeaning, type Peaks, type Setting, wideNodes } from '../../passes/index.ts';
import { describedAs, settledFor } from '../network/deployable.ts';
import { type Needs, needsMetadata, needsTexts } from '../network/needs.ts';
import type { FeatureEntries } from '../network/tags.ts';
import { datasetNames } from '../preprocessing/dataset-json.ts';
import { plansFrom } from '../preprocessing/plans.ts';
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

/** A run's network under a setting, with a note of where it came from. */
export function deployed(
  run: LoadedRun,
  setting: Setting,
  note: string,
  { gated = false, gateOver = 'image' }: Pick<Combination, 'gated' | 'gateOver'> = {},
): Graph {
  return described(run, settledFor(run, setting, gated, gateOver), note);
}

/** As {@link describedAs}, with the run that it is of. @param note which of all that can be made of the run it is. */
export function described({ directory }: LoadedRun, graph: Graph, note: string): Graph {
  const { config, seal } = directory;
  const needs: Needs = {
    ...(config.input?.plans && { plans: plansFrom(config.input.plans, directory.path) }),
    ...(config.input?.dataset && { names: datasetNames(config.input.dataset, directory.path) }),
  };
  return describedAs(graph, {
    note,
    parents: Object.fromEntries(Object.entries(config.parents).map(([tag, { sha256 }]) => [tag, sha256])),
    metadata: { 'suture.run': seal, ...needsMetadata(needs) },
    texts: needsTexts(needs),
  });
}

/** A run's network under a combination. @throws SutureError `option-invalid`, `run-invalid`. */
export function deployedCombination(run: LoadedRun, combination: Combination, learned?: LearnedWeights): Graph {
  const { network } = run;
  checkCombination(network, combination);
  const setting = settingOf(network, combination, learned);
  return deployed(run, setting, combinationText(combination), combination);
}

/**
 * A deployed network with weights and features of float16, but for what {@link wideNodes} keeps. Its input and output are float16 where the first
 * parent's file has them so.
 *
 * @param peaks what its values reach, where that is known.
 */
export function inHalf({ parents }: Pick<LoadedRun, 'parents'>, graph: Graph, peaks?: Peaks): Graph {
  const { file, output } = parents[0];
  const kept = wideNodes(graph, peaks);
  const end = ({ dtype }: TensorType): 'float16' | 'float32' => (dtype === 'float16' ? 'float16' : 'float32');
  return narrow(graph, {
    keep: node => kept.has(node),
    input: end(file.inputs[0].type),
    output: end(file.output(output).type),
  });
}
