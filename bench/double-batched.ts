/**
 * A step of double-batched training of two parents of the same architecture: suture with each executor against PyTorch, in turns,
 * on the same images, from the same stitches (identities). ONNX Runtime and PyTorch have one thread. PyTorch runs as a child
 * process (`double_batched.py`), where there is a Python that has it. The losses of all are compared as they go.
 *
 *     node dist/bench/double-batched.js FOLDER [--parents A.onnx,B.onnx] [--images FILE.npz] [--executors ort,webgpu] [--batch N]
 *       [--steps N] [--python PATH] [--adapter auto|gpu|embedded] [--profile]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { float32, type Tensor } from '../ir/index.ts';
import { importOnnx } from '../ir/onnx/file.ts';
import { doubleBatch, identityStitches, match, stitch, trainingStep } from '../passes/index.ts';
import { adapterChoices } from '../runtime/adapter/index.ts';
import type { Session } from '../runtime/executor.ts';
import { createOrtExecutor, createWebgpuExecutor } from '../runtime/index.ts';
import { gatherImages } from '../src/data/dataset.ts';
import { loadDataset } from '../src/data/load.ts';
import { bindingFor, prepareStep } from '../src/execution/execute.ts';
import { openTorch, type PeerStep } from './peer.ts';
import { ratioOf, timed, timingOf, timingText } from './timing.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    parents: { type: 'string', default: 'parent_a.onnx,parent_b.onnx' },
    images: { type: 'string', default: 'site_a_train.npz' },
    executors: { type: 'string', default: 'ort,webgpu' },
    batch: { type: 'string', default: '8' },
    steps: { type: 'string', default: '5' },
    python: { type: 'string', default: '/usr/bin/python3' },
    adapter: { type: 'string', default: 'auto' },
    profile: { type: 'boolean', default: false },
  },
});

/** One of those that are compared. */
interface Competitor {
  readonly name: string;
  step(): Promise<PeerStep>;
  profile?(): Promise<void>;
  close(): void;
}

const [folder] = positionals;
if (folder === undefined) throw new Error('Name the folder that holds the parents and the images.');
const batch = Number(options.batch);
const [a, b] = options.parents.split(',').map(name => join(folder, name)) as [string, string];
const images = join(folder, options.images);
const adapter = adapterChoices.find(choice => choice === options.adapter) ?? 'auto';

async function openSuture(name: string): Promise<Competitor> {
  const parents = [a, b].map((path, i) => ({ tag: 'ab'[i], graph: importOnnx(path).graph }));
  const pairs = match(parents[0].graph, parents[1].graph).pairs;
  const network = stitch(parents, pairs, { task: 'segmentation' });
  // A cosine this long is a constant rate.
  const step = trainingStep(doubleBatch(network), { steps: 1e9, learningRate: 1e-2 });
  const dataset = await loadDataset(images);
  const shape = [batch, ...dataset.imageShape];
  const [input] = network.parents[0].inputs;
  const x: Tensor = float32(
    shape,
    gatherImages(
      dataset,
      Array.from({ length: batch }, (_, i) => i),
    ),
  );
  const resident = new Map([...step.state, ...identityStitches(network, () => 0)]);
  const executor = name === 'ort' ? createOrtExecutor({ threads: 1 }) : await createWebgpuExecutor({ adapter });
  const binding = bindingFor(step.graph, { [input]: shape });
  const opened = await timed<Session>(() => prepareStep(executor, step, binding, { resident }));
  const session = opened.value;
  console.log(
    `${executor.describe()}: prepared in ${(opened.milliseconds / 1000).toFixed(1)} s ` +
      `(${(opened.processor / 1000).toFixed(1)} s of processor time), ${network.stitches.length} stitches`,
  );
  return {
    name: `suture, ${name}`,
    step: async () => {
      const { value, milliseconds, processor } = await timed(() => session.run({ [input]: x }, [step.loss]));
      return { loss: Number(value[step.loss].data[0]), milliseconds, processor };
    },
    profile: async () => {
      const profile = await session.profile?.({ [input]: x });
      const families = new Map<string, number>();
      for (const { kernel, milliseconds } of profile?.kernels ?? []) {
        const family = kernel.split(' ')[0];
        families.set(family, (families.get(family) ?? 0) + milliseconds);
      }
      for (const [family, milliseconds] of [...families].sort((p, q) => q[1] - p[1]).slice(0, 15))
        console.log(`  ${milliseconds.toFixed(1).padStart(9)} ms  ${family}`);
    },
    close: () => executor.dispose(),
  };
}

const peer = await openTorch('double_batched.py', options.python, [a, b, images, String(batch)]);
const torch: Competitor | undefined = peer && { name: 'PyTorch', step: () => peer.step(), close: () => peer.close() };
const peers: Competitor[] = [];
for (const name of options.executors.split(',')) peers.push(await openSuture(name));
if (torch) peers.push(torch);
const all = new Map<Competitor, PeerStep[]>(peers.map(peer => [peer, []]));
for (let i = 0; i <= Number(options.steps); i++) for (const peer of peers) all.get(peer)!.push(await peer.step());

console.log(`A double-batched step, ${batch} images`);
const timings = new Map([...all].map(([peer, steps]) => [peer, timingOf(steps.slice(1))]));
for (const [peer, steps] of all) console.log(timingText(peer.name, timings.get(peer)!, steps[0].milliseconds));
for (const [peer, timing] of timings) {
  if (!torch || peer === torch) continue;
  const ratio = ratioOf(timings.get(torch)!, timing);
  const differences = all.get(peer)!.map((step, i) => Math.abs(step.loss / all.get(torch)![i].loss - 1));
  console.log(
    `  ${peer.name}: ${ratio.wall.toFixed(2)} times as fast as PyTorch (${ratio.processor.toFixed(2)} by processor time); ` +
      `losses differ by ${differences[0].toExponential(1)} at the first step, ${differences.at(-1)!.toExponential(1)} at the last`,
  );
}
if (options.profile) for (const peer of peers) await peer.profile?.();
for (const peer of peers) peer.close();
