/** From a trained run to one ONNX file: fix the switches, fold, write, and check the file in ONNX Runtime. */
import { exportOnnx, type Graph, printable, SutureError, type TensorType, writeOnnx } from '../ir/index.ts';
import {
  allStitched,
  averagedAt,
  gateOutput,
  narrow,
  type OutputMeaning,
  type Setting,
  settingTensors,
  settle,
  settledMeaning,
  settleGated,
} from '../passes/index.ts';
import type { Executor } from '../runtime/executor.ts';
import { onnxRuntime } from '../runtime/ort/onnxruntime.ts';
import { batchesOf } from './batches.ts';
import type { Dataset } from './data/dataset.ts';
import { Runnable } from './execute.ts';
import { checkOutputFile, type OutputOptions, writeOutput } from './files/output.ts';
import { parameterCount } from './inspect.ts';
import { knownMeaning, meaningMetadata } from './network/meaning.ts';
import { readLearned, type StoredWeights } from './run/learned.ts';
import { type LoadedRun, loadRun } from './run/load.ts';
import {
  type Combination,
  checkCombination,
  checkPositions,
  combinationText,
  type LearnedWeights,
  settingOf,
} from './selection/combination.ts';
import { type Rule, select } from './selection/select.ts';
import { sweepSchema } from './selection/sweep.ts';
import { frontSchema } from './selection/weighted.ts';
import { sutureVersion } from './version.ts';

/**
 * What is deployed: the average at one position, by its number or by a rule on the scores of `sweep.json`; every position
 * on its stitched features, which is what double-batched training trains; or any positions, weights and gate. `gated`: outputs are
 * weighed on each image by how sure the parents are.
 */
export type Choice =
  | { readonly position: number; readonly gated?: boolean | undefined }
  | { readonly rule: Rule; readonly gated?: boolean | undefined }
  | { readonly all: true }
  | { readonly combination: Combination }
  /** What a sweep over settings chose: see `sweepFront`. */
  | { readonly chosen: 'best' | 'even' }
  /** What `suture weigh` learned. */
  | { readonly learned: true; readonly gated?: boolean | undefined };

export interface ExportedNetwork {
  /** Set when one position is averaged. */
  readonly position?: number;
  /** Set when a combination was asked for. */
  readonly combination?: Combination;
  /** Set when a rule chose. */
  readonly rule?: Rule;
  /** Set when outputs are weighed on each image by how sure the parents are. */
  readonly gated?: true;
  /** The features that are joined, at one position. */
  readonly a?: string;
  readonly b?: string;
  readonly file: string;
  /** What its output means. */
  readonly output: OutputMeaning | undefined;
  readonly nodes: number;
  readonly parameters: number;
}

/** What the exported network computes in. */
export const exportDtypes = ['float32', 'float16'] as const;
export type ExportDtype = (typeof exportDtypes)[number];

export interface ExportOptions extends OutputOptions {
  /**
   * `float32` (default), or `float16`: weights and features in half the bytes, for devices that compute so. Inputs and outputs are float16
   * then where the first parent's file has them so, float32 elsewhere, and what combines the outputs stays in float32.
   */
  readonly dtype?: ExportDtype;
}

/** Settles a choice. @throws SutureError `option-invalid`, `run-invalid` when a rule is asked for without a sweep. */
export async function choosePosition(
  run: LoadedRun,
  choice: Extract<Choice, { position: number } | { rule: Rule }>,
): Promise<number> {
  if ('position' in choice) {
    checkPositions(run.network, [choice.position]);
    return choice.position;
  }
  const sweep = await run.directory.readJson('sweep', sweepSchema);
  if (!sweep) {
    throw new SutureError(
      'run-invalid',
      `Rule ${choice.rule} needs the scores of the positions, and ${printable(run.directory.path)} has none; ` +
        'run `suture sweep` first, or name a --position.',
    );
  }
  const { position } = select(sweep.positions, choice.rule, sweep.higherIsBetter);
  checkPositions(run.network, [position]);
  return position;
}

/** A run's network under a setting, with a note of where it came from. */
export const deployed = (run: LoadedRun, setting: Setting, note: string, gated = false): Graph =>
  annotated(
    run,
    (gated ? settleGated : settle)(run.network, setting, run.parameters, { standard: true }),
    settledMeaning(run.network.outputs[0]!, setting),
    note,
    gated,
  );

/** A run's network under a combination. @throws SutureError `option-invalid`, `run-invalid`. */
export function deployedCombination(run: LoadedRun, combination: Combination, learned?: LearnedWeights): Graph {
  const { network } = run;
  checkCombination(network, combination);
  const setting = settingOf(network, combination, learned);
  return deployed(run, setting, combinationText(combination), combination.gated);
}

/** What a gate acts on, for the reader of a file. */
const gateNote =
  'weighs the outputs on each element of the batch axis alone: where an image is predicted in tiles, each tile for itself';

function annotated(run: LoadedRun, graph: Graph, meaning: OutputMeaning, note: string, gated: boolean): Graph {
  const { parents } = run.directory.config;
  const metadata = {
    ...graph.info.metadata,
    ...meaningMetadata(meaning),
    'suture.setting': note,
    ...(gated && { 'suture.gate': gateNote }),
    'suture.parent.a': parents.a.sha256,
    'suture.parent.b': parents.b.sha256,
  };
  return graph.with({ info: { ...graph.info, metadata } });
}

/**
 * A deployed network in the dtype that was asked for.
 *
 * @throws SutureError `option-invalid` when a weight lies beyond float16's range.
 */
function inDtype({ parents }: LoadedRun, graph: Graph, dtype: ExportDtype = 'float32'): Graph {
  if (dtype === 'float32') return graph;
  const [input, output] = [parents.a.file.inputs[0]!.type, parents.a.file.outputs[0]!.value.type];
  const ends = ({ dtype: own }: TensorType): ExportDtype => (own === 'float16' ? 'float16' : 'float32');
  return narrow(graph, {
    // Sums over all pixels and logarithms of small shares: float16 has neither their range nor their digits.
    keep: node => node.name.startsWith('output/'),
    input: ends(input),
    output: ends(output),
  });
}

/** Beyond this many bytes of weights, they go to a file beside the model. */
const maxMessageBytes = 2 ** 31 - 2 ** 27;

/** Writes a network to a file. @throws SutureError `output-exists`, `output-unwritable`. */
export async function writeModel(graph: Graph, path: string, options: OutputOptions = {}): Promise<void> {
  await checkOutputFile(path, options);
  const bytes = graph.constants().reduce((sum, { constant }) => sum + constant.data.byteLength, 0);
  const exportOptions = { producerVersion: sutureVersion };
  if (bytes > maxMessageBytes) writeOnnx(graph, path, exportOptions);
  else await writeOutput(path, exportOnnx(graph, exportOptions), options);
}

/**
 * Writes the stitched network of a run: features averaged at one position in both directions and outputs averaged, or what else
 * the choice says.
 *
 * @throws SutureError `run-invalid`, `option-invalid`, `output-exists`, `output-unwritable`.
 */
export async function exportRun(
  path: string,
  file: string,
  choice: Choice,
  options: ExportOptions = {},
): Promise<ExportedNetwork> {
  await checkOutputFile(file, options);
  const run = await loadRun(path);
  if ('position' in choice || 'rule' in choice) {
    return exportPosition(run, file, await choosePosition(run, choice), choice, options);
  }
  const found = 'all' in choice ? undefined : await combinationOf(run, choice);
  const wide = found
    ? deployedCombination(run, found.combination, found.learned)
    : deployed(run, allStitched(run.network), 'stitched at every position');
  const graph = inDtype(run, wide, options.dtype);
  await writeModel(graph, file, options);
  return {
    ...(found && { combination: found.combination }),
    file,
    output: knownMeaning(graph),
    nodes: graph.nodes.length,
    parameters: parameterCount(graph),
  };
}

/** Settles a choice of several settings. @throws SutureError `run-invalid` when what it refers to was not computed. */
async function combinationOf(
  run: LoadedRun,
  choice: Extract<Choice, { combination: Combination } | { chosen: unknown } | { learned: true }>,
): Promise<{ readonly combination: Combination; readonly learned?: StoredWeights }> {
  if ('learned' in choice) {
    const learned = await readLearned(run);
    return {
      combination: { positions: learned.positions, weight: 'learned', output: learned.output, gated: choice.gated },
      learned,
    };
  }
  if ('combination' in choice) {
    const { combination } = choice;
    return combination.weight === 'learned' ? { combination, learned: await readLearned(run) } : { combination };
  }
  const front = await run.directory.readJson('front', frontSchema);
  if (!front) {
    throw new SutureError(
      'run-invalid',
      `${printable(run.directory.path)} has no sweep over settings to choose by; run \`suture sweep --weights\` first.`,
    );
  }
  const { positions, weight, output, gated } = front.points[front.chosen[choice.chosen]]!;
  const found = await combinationOf(run, { combination: { positions, weight, output, gated } });
  if (found.learned && found.learned.seal !== front.weights) {
    throw new SutureError(
      'run-invalid',
      `The weights in ${printable(run.directory.path)} were learned after its sweep over settings; run \`suture sweep --learned\` again.`,
    );
  }
  return found;
}

/** As {@link exportRun}, for a run that is loaded and a position that is chosen. */
export async function exportPosition(
  run: LoadedRun,
  file: string,
  position: number,
  choice: Extract<Choice, { position: number } | { rule: Rule }>,
  options: ExportOptions = {},
): Promise<ExportedNetwork> {
  const note = `averaged at position ${position}${choice.gated ? ', gated' : ''}`;
  const graph = inDtype(run, deployed(run, averagedAt(run.network, position), note, choice.gated), options.dtype);
  await writeModel(graph, file, options);
  const { features } = run.network.positions.find(p => p.id === position)!;
  return {
    position,
    ...('rule' in choice && { rule: choice.rule }),
    ...(choice.gated && { gated: true as const }),
    a: features.a!,
    b: features.b!,
    file,
    output: knownMeaning(graph),
    nodes: graph.nodes.length,
    parameters: parameterCount(graph),
  };
}

/** How far ONNX Runtime's numbers for a file are from an executor's. */
export interface Agreement {
  /** The largest difference, relative to the largest magnitude in the reference's output. */
  readonly relativeError: number;
  readonly images: number;
  readonly agrees: boolean;
}

/** What float32 arithmetic in another order may differ by. */
export const tolerance = 1e-4;

/**
 * Runs an exported file in ONNX Runtime on the CPU and compares its output with what an executor makes of the whole
 * super-network, all stitches and switches in place: so the settling, the folding and the export are all part of the test. `gated`: the
 * file has a gate, which starts from equal shares.
 */
export async function compareWithFile(
  executor: Executor,
  { network, parameters }: Pick<LoadedRun, 'network' | 'parameters'>,
  setting: Setting,
  file: string,
  dataset: Dataset,
  { images = 8, gated = false }: { readonly images?: number; readonly gated?: boolean } = {},
): Promise<Agreement> {
  const [input] = network.parents[0]!.inputs;
  const { name } = network.outputs[0]!;
  const { value: batch } = batchesOf(dataset, images).next();
  if (!batch) throw new RangeError('There is no image to compare with.');
  const graph = gated ? gateOutput(network) : network.graph;
  const needed = new Set(graph.inputs.map(i => i.name));
  const given = [...parameters, ...settingTensors(network, setting)].filter(([tensor]) => needed.has(tensor));
  const runnable = new Runnable(executor, graph, new Map(given));
  const session = await onnxRuntime().InferenceSession.create(file, { logSeverityLevel: 4 });
  try {
    const expected = (await runnable.run({ [input!]: batch.images }, [name]))[name]!;
    const feeds = {
      [input!]: new (onnxRuntime().Tensor)('float32', batch.images.data as Float32Array, batch.images.shape),
    };
    const found = (await session.run(feeds, [name]))[name]!;
    const relativeError = relativeDifference(found.data as Float32Array, expected.data as Float32Array);
    return { relativeError, images: batch.count, agrees: relativeError <= tolerance };
  } finally {
    runnable.dispose();
    await session.release();
  }
}

/** The largest difference, relative to the largest magnitude in `reference`. NaN anywhere gives NaN. */
export function relativeDifference(values: Float32Array, reference: Float32Array): number {
  if (values.length !== reference.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < reference.length; i++) {
    const off = Math.abs(values[i]! - reference[i]!);
    if (Number.isNaN(off)) return Number.NaN;
    difference = Math.max(difference, off);
    magnitude = Math.max(magnitude, Math.abs(reference[i]!));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}
