/**
 * Inference of a model: suture's WebGPU executor against ONNX Runtime's WebGPU provider, on the same adapter, in one process
 * and in turns, so that whatever else the machine does falls on both. Prints medians and their ratio.
 *
 *     node dist/bench/inference.js [MODEL.onnx ...] [--batch N] [--runs N] [--adapter auto|gpu|embedded] [--profile] [--json]
 */
import { parseArgs } from 'node:util';
import ort from 'onnxruntime-node';
import { float32, type Tensor } from '../ir/index.ts';
import { importOnnx } from '../ir/onnx/file.ts';
import { arrange, simplify, specialize } from '../passes/index.ts';
import { type AdapterChoice, adapterChoices } from '../runtime/adapter/index.ts';
import { createWebgpuExecutor, type Profile } from '../runtime/index.ts';
import { noise, ratioOf, type Spent, type Timing, timed, timingOf, timingText } from './timing.ts';

interface Measured {
  readonly model: string;
  readonly batch: number;
  readonly ours: Timing;
  readonly theirs: Timing;
  /** Median of theirs over median of ours, by the clock and by processor time. */
  readonly ratio: number;
  readonly processorRatio: number;
  /** Largest difference of the outputs, relative to the largest output. */
  readonly difference: number;
  /** Milliseconds from the graph to the end of the first run, compiling included. */
  readonly firstRun: { readonly ours: number; readonly theirs: number };
  readonly profile: Profile | undefined;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: 'string', default: '1' },
    runs: { type: 'string', default: '7' },
    adapter: { type: 'string', default: 'auto' },
    profile: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

async function measure(model: string, batch: number, runs: number, adapter: AdapterChoice): Promise<Measured> {
  // Opening our executor first also loads the embedded driver, where it is needed, for ONNX Runtime to find.
  const executor = await createWebgpuExecutor({ adapter });
  const { graph } = importOnnx(model);
  const binding = Object.fromEntries(
    graph.inputs.flatMap(input =>
      input.type.shape.flatMap(dim => (typeof dim === 'number' ? [] : [[String(dim), batch]])),
    ),
  );
  const bound = specialize(simplify(graph), binding);
  const inputs: Record<string, Tensor> = {};
  const feeds: Record<string, ort.Tensor> = {};
  for (const { name, type } of bound.inputs) {
    const shape = type.shape as readonly number[];
    const data = noise(shape.reduce((a, b) => a * b, 1));
    inputs[name] = float32(shape, data);
    feeds[name] = new ort.Tensor('float32', data, [...shape]);
  }

  const ourStart = await timed(async () => {
    const session = await executor.prepare(arrange(bound));
    return { session, outputs: await session.run(inputs) };
  });
  const theirStart = await timed(async () => {
    const session = await ort.InferenceSession.create(model, { executionProviders: ['webgpu'], logSeverityLevel: 3 });
    return { session, outputs: await session.run(feeds) };
  });
  const { session } = ourStart.value;

  let largest = 0;
  let difference = 0;
  for (const [name, output] of Object.entries(theirStart.value.outputs)) {
    const reference = output.data as Float32Array;
    const own = ourStart.value.outputs[name].data as Float32Array;
    for (const [i, value] of reference.entries()) {
      largest = Math.max(largest, Math.abs(value));
      difference = Math.max(difference, Math.abs(value - own[i]));
    }
  }

  const ours: Spent[] = [];
  const theirs: Spent[] = [];
  for (let i = 0; i < runs; i++) {
    ours.push(await timed(() => session.run(inputs)));
    theirs.push(await timed(() => theirStart.value.session.run(feeds)));
  }
  const profile = options.profile ? await session.profile?.(inputs) : undefined;
  await theirStart.value.session.release();
  executor.dispose();
  const timings = { ours: timingOf(ours), theirs: timingOf(theirs) };
  const ratio = ratioOf(timings.theirs, timings.ours);
  return {
    model,
    batch,
    ...timings,
    ratio: ratio.wall,
    processorRatio: ratio.processor,
    difference: difference / largest,
    firstRun: { ours: ourStart.milliseconds, theirs: theirStart.milliseconds },
    profile,
  };
}

function show(measured: Measured, where: string): void {
  const { model, batch, ours, theirs, ratio, processorRatio, difference, firstRun, profile } = measured;
  console.log(`${model}, batch ${batch}, ${where}`);
  console.log(timingText('suture', ours, firstRun.ours));
  console.log(timingText('ONNX Runtime WebGPU', theirs, firstRun.theirs));
  console.log(
    `  ${ratio.toFixed(1)} times as fast (${processorRatio.toFixed(1)} by processor time); ` +
      `outputs differ by ${difference.toExponential(1)} of the largest`,
  );
  if (profile === undefined) return;
  const kernels = [...profile.kernels].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, 20);
  for (const { kernel, milliseconds } of kernels) console.log(`  ${milliseconds.toFixed(2).padStart(9)} ms  ${kernel}`);
}

const adapter = adapterChoices.find(choice => choice === options.adapter) ?? 'auto';
const models = positionals.length > 0 ? positionals : ['fixtures/demo/parent_a.onnx'];
const probe = await createWebgpuExecutor({ adapter });
const where = probe.describe();
probe.dispose();
const results: Measured[] = [];
for (const model of models) {
  const measured = await measure(model, Number(options.batch), Number(options.runs), adapter);
  results.push(measured);
  if (!options.json) show(measured, where);
}
if (options.json) console.log(JSON.stringify({ where, results }, undefined, 2));
