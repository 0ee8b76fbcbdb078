/** Whether an exported file computes what suture computed. */
import { type Graph, numbersOf, tensor } from '../../ir/index.ts';
import {
  type GateScope,
  gateOutput,
  onlySource,
  removeDeadCode,
  type Setting,
  type SuperNetwork,
  settingTensors,
} from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { onnxRuntime } from '../../runtime/ort/onnxruntime.ts';
import { batchesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { Runnable } from '../execution/execute.ts';
import { fixedBatch, imagesAtATime, inParts } from '../execution/fixed-batch.ts';
import type { Network, TrainedNetwork } from '../network/network.ts';

/** How far ONNX Runtime's numbers for a file are from an executor's. */
export interface Agreement {
  /** The largest difference, relative to the largest magnitude in the reference's output. */
  readonly relativeError: number;
  readonly images: number;
  readonly agrees: boolean;
}

/** A file that a network was exported to, and under which setting. */
export interface WrittenSetting {
  readonly file: string;
  readonly setting: Setting;
  /** Whether it has a gate, which starts from the setting's weights of the outputs. */
  readonly gated?: boolean | undefined;
  readonly gateOver?: GateScope | undefined;
}

/** So many images are compared on at the most. */
const comparedImages = 8;

/** What float32 arithmetic in another order may differ by. */
const tolerance = 1e-4;

/**
 * Runs an exported file in ONNX Runtime on the CPU and compares its output with what an executor makes of the whole
 * super-network, all stitches and switches in place: so the settling, the folding and the export are all part of the test.
 */
export async function compareWithFile(
  executor: Executor,
  { network, parameters }: TrainedNetwork,
  { file, setting, gated = false, gateOver }: WrittenSetting,
  dataset: Dataset,
): Promise<Agreement> {
  const [input] = network.parents[0].inputs as readonly [string, ...string[]];
  const [output] = network.outputs as readonly [SuperNetwork['outputs'][number]];
  const { name } = output;
  const shares = numbersOf(settingTensors(network, setting).get(output.weights)!);
  const lone = onlySource(output, setting);
  const graph =
    lone !== undefined
      ? removeDeadCode(network.graph.with({ outputs: [{ name, value: output.features[lone] }] }))
      : gated
        ? gateOutput(network, { shares: Array.from(shares), over: gateOver })
        : network.graph;
  const needed = new Set(graph.inputs.map(i => i.name));
  const given = [...parameters, ...settingTensors(network, setting)].filter(([tensor]) => needed.has(tensor));
  const runnable = new Runnable(executor, graph, new Map(given));
  return compare(runnable, { file, input, output: name, open: network.graph }, dataset);
}

/** As {@link compareWithFile}, for a network that is no setting of another. */
export const compareNetworkWithFile = (
  executor: Executor,
  { graph, input, output }: Network,
  file: string,
  dataset: Dataset,
): Promise<Agreement> => compare(new Runnable(executor, graph), { file, input, output, open: graph }, dataset);

/** @param runnable is disposed of. */
async function compare(
  runnable: Runnable,
  {
    file,
    input,
    output,
    open,
  }: { readonly file: string; readonly input: string; readonly output: string; readonly open: Graph },
  dataset: Dataset,
): Promise<Agreement> {
  try {
    const atATime = imagesAtATime([{ name: 'the exported network', graph: open }], undefined, comparedImages);
    const { value: batch } = batchesOf(dataset, atATime).next();
    if (!batch) throw new RangeError('There is no image to compare with.');
    const session = await onnxRuntime().InferenceSession.create(file, { logSeverityLevel: 4 });
    try {
      const expected = (await runnable.run({ [input]: batch.images }, [output]))[output];
      const found = await inParts(fixedBatch(open) ?? batch.count, { [input]: batch.images }, async part => {
        const { data, shape } = part[input];
        const feeds = { [input]: new (onnxRuntime().Tensor)('float32', data as Float32Array, shape) };
        const { data: values, dims } = (await session.run(feeds, [output]))[output];
        return { [output]: tensor('float32', dims, values as Float32Array) };
      });
      const relativeError = relativeDifference(found[output].data as Float32Array, expected.data as Float32Array);
      return { relativeError, images: batch.count, agrees: relativeError <= tolerance };
    } finally {
      await session.release();
    }
  } finally {
    runnable.dispose();
  }
}

/** The largest difference, relative to the largest magnitude in `reference`. NaN anywhere gives NaN. */
export function relativeDifference(values: Float32Array, reference: Float32Array): number {
  if (values.length !== reference.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < reference.length; i++) {
    const off = Math.abs(values[i] - reference[i]);
    if (Number.isNaN(off)) return Number.NaN;
    difference = Math.max(difference, off);
    magnitude = Math.max(magnitude, Math.abs(reference[i]));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}
