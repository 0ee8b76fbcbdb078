/** From a trained run to one ONNX file: fix the switches, fold, write. */
import { type Graph, printable, SutureError } from '../../ir/index.ts';
import { allStitched, averagedAt, sizesText } from '../../passes/index.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import { checkOutputFile, type WriteOptions } from '../files/output.ts';
import { parameterCount } from '../network/cost.ts';
import { scored } from '../network/deployable.ts';
import { placedPositions } from '../network/depth.ts';
import { settingOfDiscrete } from '../network/discrete.ts';
import { knownMeaning } from '../network/meaning.ts';
import { parentName } from '../network/names.ts';
import { featureEntries } from '../network/tags.ts';
import { writeModel } from '../network/write.ts';
import type { OutputShares } from '../options/kinds.ts';
import { lossTexts } from '../report/verdict.ts';
import { deployed, deployedCombination, described, type ExportedNetwork, inHalf } from '../run/deployed.ts';
import { type FoundChoice, foundIn } from '../run/found.ts';
import { readLearned, type StoredWeights } from '../run/learned.ts';
import { type LoadedRun, loadRun } from '../run/load.ts';
import type { Blueprint, Student } from '../selection/candidates.ts';
import {
  alike,
  type Combination,
  checkPositions,
  gatedText,
  onlyAnswer,
  statedShares,
} from '../selection/combination.ts';
import { type Rule, select, selectByDepth } from '../selection/select.ts';
import { sweepSchema } from '../selection/sweep.ts';
import { type StoredVerdict, verdictSchema } from '../selection/verdict.ts';
import { frontSchema } from '../selection/weighted.ts';

/**
 * What is deployed: the average at one position, by its number or by a rule, 1 and 2 on the scores of `sweep.json`, 3 by depth; every position
 * on its stitched features, which is what double-batched training trains; or any positions, weights and gate. `gated`: outputs are
 * weighed by how sure the parents are, on each image or, with `gateOver`, alike on a batch that is a case.
 */
export type Choice =
  | ({ readonly position: number } & Gating)
  | ({ readonly rule: Rule; readonly depth?: number | undefined } & Gating)
  | { readonly all: true }
  | { readonly combination: Omit<Combination, 'output'> & { readonly output?: OutputShares | undefined } }
  /** What a sweep over settings chose: see `sweepFront`. */
  | { readonly chosen: 'best' | 'even' }
  /** What `suture weigh` learned. */
  | ({ readonly learned: true } & Gating)
  | FoundChoice;

type Gating = Pick<Combination, 'gated' | 'gateOver'>;

export interface ExportOptions extends WriteOptions {
  /**
   * Weights and features of float16, in half the bytes, for devices that compute so; what needs more digits stays in float32 (`wideNodes`). What
   * that does to the scores, `run` measures, and `evaluate` of the file.
   */
  readonly half?: boolean | undefined;
}

/** What is said of a network that was written. */
function factsOf(graph: Graph): Pick<ExportedNetwork, 'output' | 'batch' | 'sizes' | 'nodes' | 'parameters'> {
  const sizes = sizesText(graph.inputs[0].type.shape);
  return {
    output: knownMeaning(graph),
    batch: fixedBatch(graph) ?? 'any',
    ...(sizes !== undefined && { sizes }),
    nodes: graph.nodes.length,
    parameters: parameterCount(graph),
  };
}

const asAsked = (run: LoadedRun, graph: Graph, { half }: ExportOptions): Graph => (half ? inHalf(run, graph) : graph);

/** The position that a choice means. @throws SutureError `option-invalid`, `run-invalid` when a rule is asked for without a sweep. */
export async function choosePosition(
  run: LoadedRun,
  choice: Extract<Choice, { position: number } | { rule: Rule }>,
): Promise<number> {
  if ('position' in choice) {
    checkPositions(run.network, [choice.position]);
    return choice.position;
  }
  if (choice.rule === 3) return selectByDepth(placedPositions(run.network), choice.depth).position;
  const sweep = await run.directory.readJson('sweep', sweepSchema);
  if (!sweep) {
    throw new SutureError(
      'run-invalid',
      `Rule ${choice.rule} needs the scores of the positions, and ${printable(run.directory.path)} has none; ` +
        'run `suture sweep` first, go by depth (rule 3), or name a --position.',
    );
  }
  const { position } = select(sweep.positions, choice.rule, sweep.higherIsBetter);
  checkPositions(run.network, [position]);
  return position;
}

/**
 * Writes the stitched network of a run: features averaged at one position in both directions and outputs averaged, or what else
 * the choice says.
 *
 * @throws SutureError `run-invalid`, `option-invalid`, `output-exists`, `output-unwritable`.
 */
export async function exportNetwork(
  path: string,
  file: string,
  choice: Choice,
  options: ExportOptions = {},
): Promise<ExportedNetwork> {
  await checkOutputFile(file, options);
  const run = await loadRun(path);
  if ('position' in choice || 'rule' in choice) {
    const position = await choosePosition(run, choice);
    const verdict = await run.directory.readJson('verdict', verdictSchema);
    const warnings = verdict ? lossTexts(verdict, positionText(position, choice)) : [];
    const exported = await exportPosition(run, { position, choice, verdict }, file, options);
    return { ...exported, ...(warnings.length > 0 && { warnings }) };
  }
  if ('budget' in choice || 'setting' in choice || 'trained' in choice) return exportFound(run, file, choice, options);
  const found = 'all' in choice ? undefined : weighable(await combinationOf(run, choice));
  const wide = found
    ? deployedCombination(run, found.combination, found.learned)
    : deployed(run, allStitched(run.network), 'stitched at every position');
  const graph = asAsked(run, wide, options);
  await writeModel(graph, file, options);
  return {
    ...(found && { combination: found.combination }),
    file,
    ...(found?.warnings && { warnings: found.warnings }),
    ...factsOf(graph),
  };
}

/** What a choice of several settings comes to. */
interface FoundCombination {
  readonly combination: Combination;
  readonly learned?: StoredWeights;
  readonly warnings?: readonly string[];
}

/** Without a gate where one output alone has a share: there is nothing to weigh. */
function weighable(found: FoundCombination): FoundCombination {
  const { gated, gateOver: _, ...combination } = found.combination;
  const only = onlyAnswer(combination.output);
  if (!gated || only === undefined) return found;
  const warnings = [
    `Only ${parentName(only)} has a share of the output, so a gate has nothing to weigh: it is left out.`,
  ];
  return { ...found, combination, warnings };
}

async function exportFound(
  run: LoadedRun,
  file: string,
  choice: FoundChoice,
  options: ExportOptions,
): Promise<ExportedNetwork> {
  const found = await foundIn(run, choice);
  const wide = deployed(run, settingOfDiscrete(run.network, found), found.name, { gated: found.output === 'gated' });
  const graph = asAsked(run, wide, options);
  await writeModel(graph, file, options);
  const { uses: _, output, ...facts } = found;
  return { found: facts, file, ...factsOf(graph) };
}

/** Resolves a choice of several settings. @throws SutureError `run-invalid` when what it refers to was not computed. */
async function combinationOf(
  run: LoadedRun,
  choice: Extract<Choice, { combination: unknown } | { chosen: unknown } | { learned: true }>,
): Promise<FoundCombination> {
  if ('learned' in choice) {
    const learned = await readLearned(run);
    return {
      combination: { positions: learned.positions, weight: 'learned', output: learned.output, ...gatingOf(choice) },
      learned,
    };
  }
  if ('combination' in choice) {
    const { output = statedShares(alike(run.network.parents.length)) } = choice.combination;
    const combination = { ...choice.combination, output };
    return combination.weight === 'learned' ? { combination, learned: await readLearned(run) } : { combination };
  }
  const front = await run.directory.readJson('front', frontSchema);
  if (!front) {
    throw new SutureError(
      'run-invalid',
      `${printable(run.directory.path)} has no sweep over settings to choose by; run \`suture sweep --weights\` first.`,
    );
  }
  const { positions, weight, output, gated } = front.points[front.chosen[choice.chosen]];
  const found = await combinationOf(run, {
    combination: { positions, weight, output, ...gatingOf({ gated, gateOver: front.gateOver }) },
  });
  if (found.learned && found.learned.seal !== front.weights) {
    throw new SutureError(
      'run-invalid',
      `The weights in ${printable(run.directory.path)} were learned after its sweep over settings; run \`suture sweep --learned\` again.`,
    );
  }
  return found;
}

/** What documents say of a gate: nothing of its scope where that is the usual one. */
const gatingOf = ({ gated, gateOver }: Gating): Gating => ({
  gated,
  ...(gated && gateOver === 'case' && { gateOver }),
});

/** What a position is called, among the candidates of a verdict too: `stitched at 3, gated`. */
const positionText = (position: number, { gated, gateOver }: Gating): string =>
  `stitched at ${position}${gated ? gatedText(gateOver) : ''}`;

/** A network with what a verdict has measured of it, if it has. */
function scoredBy(graph: Graph, verdict: StoredVerdict | undefined, name: string): Graph {
  const standing = verdict?.standings.find(one => one.name === name);
  return verdict && standing ? scored(graph, verdict.metric, standing) : graph;
}

/** A position with how it was chosen, and what a verdict has measured of it. */
interface ChosenPosition {
  readonly position: number;
  readonly choice: Extract<Choice, { position: number } | { rule: Rule }>;
  readonly verdict: StoredVerdict | undefined;
}

/** As {@link exportNetwork}, for a run that is loaded and a position that is chosen. */
async function exportPosition(
  run: LoadedRun,
  { position, choice, verdict }: ChosenPosition,
  file: string,
  options: ExportOptions,
): Promise<ExportedNetwork> {
  const { gated, gateOver } = choice;
  const name = positionText(position, choice);
  const wide = deployed(run, averagedAt(run.network, position), name, choice);
  const graph = asAsked(run, scoredBy(wide, verdict, name), options);
  await writeModel(graph, file, options);
  const found = run.network.positions.find(p => p.id === position)!;
  return {
    position,
    ...('rule' in choice && { rule: choice.rule }),
    ...(gated && { gated: true as const }),
    ...(gated && gateOver === 'case' && { gateOver }),
    ...featureEntries(found),
    file,
    ...factsOf(graph),
  };
}

/** What a verdict is for, and where it is written to. */
interface CandidateExport extends Pick<Gating, 'gateOver'>, Pick<ExportedNetwork, 'rule' | 'file'> {
  readonly verdict: StoredVerdict;
}

/** Writes what a verdict is for, over what is there; the graph is what the file holds. */
export async function exportCandidate(
  run: LoadedRun,
  candidate: Blueprint | Student,
  { verdict, file, gateOver, ...rest }: CandidateExport,
): Promise<{ readonly exported: ExportedNetwork; readonly graph: Graph }> {
  const { name, positions, cost } = candidate;
  const gated = 'network' in candidate ? undefined : candidate.blend.gated;
  const made =
    'network' in candidate
      ? described(run, candidate.network.graph, name)
      : deployed({ ...run, network: candidate.joined }, candidate.setting, name, { gated, gateOver });
  const graph = scoredBy(made, verdict, name);
  await writeModel(graph, file, { force: true });
  const found = run.network.positions.find(p => positions.length === 1 && p.id === positions[0]);
  const exported = {
    candidate: name,
    cost,
    ...(found && { position: found.id, ...featureEntries(found) }),
    ...rest,
    ...(gated && { gated: true as const }),
    ...(gated && gateOver === 'case' && { gateOver }),
    file,
    ...factsOf(graph),
  };
  return { exported, graph };
}
