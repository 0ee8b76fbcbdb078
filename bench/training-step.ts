/**
 * A training step of four 3×3 convolutions of 16 channels on images [4, 16, 64, 64] (mean squared error, Adam): suture's WebGPU
 * executor against jax-js (`jit` of loss, gradients and update, in a child process: `training-step-jax.ts`), on the same adapter and
 * in turns. The losses of both are compared as they go.
 *
 *     node dist/bench/training-step.js [--steps N] [--adapter auto|gpu|embedded] [--profile] [--json]
 */
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { float32, GraphBuilder } from '../ir/index.ts';
import { arrange, simplify, trainingStep } from '../passes/index.ts';
import { adapterChoices } from '../runtime/adapter/index.ts';
import { createWebgpuExecutor, type Profile } from '../runtime/index.ts';
import { adam, image, layers, target, weight, weights, x } from './four-convolutions.ts';
import { openPeer, type Peer, type PeerStep } from './peer.ts';
import { ratioOf, timed, timingOf, timingText } from './timing.ts';

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '5' },
    adapter: { type: 'string', default: 'auto' },
    profile: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const adapter = adapterChoices.find(choice => choice === options.adapter) ?? 'auto';

/** One step; returns the loss before the update. */
type Step = () => Promise<number>;

/** Both sides read the loss of every step back, which is also what waits for the step to end. */
async function openSuture(): Promise<{
  step: Step;
  profile(): Promise<Profile | undefined>;
  where: string;
  close(): void;
}> {
  const b = new GraphBuilder('four-convolutions');
  let feature = b.input('x', { dtype: 'float32', shape: image });
  const wanted = b.input('target', { dtype: 'float32', shape: image });
  for (const name of layers) {
    const w = b.input(name, { dtype: 'float32', shape: weight });
    feature = b.op('Conv', [feature, w], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] });
  }
  b.output('loss', b.op('FeatureLoss', [feature, wanted], { normalize: 0 }));
  const loss = { graph: b.build(), loss: 'loss', terms: [], data: ['x', 'target'], parameters: layers };
  // A cosine this long is a constant rate.
  const { graph, carry, state } = trainingStep(loss, { ...adam, steps: 1e9 });
  const executor = await createWebgpuExecutor({ adapter });
  const data = { x: float32(image, x), target: float32(image, target) };
  const resident = new Map([
    ...state,
    ...layers.map((name, i) => [name, float32(weight, weights[i])] as const),
    ...Object.entries(data),
  ]);
  const session = await executor.prepare(arrange(simplify(graph), { step: { loss: 'loss' } }), { carry, resident });
  return {
    step: async () => Number((await session.run({}, ['loss'])).loss.data[0]),
    profile: async () => session.profile?.({}),
    where: executor.describe(),
    close: () => executor.dispose(),
  };
}

/** Starts of jax-js at most: it was seen to end with a segmentation fault while it compiles, in a process of its own as well. */
const attempts = 5;

/** jax-js after its first step, which compiles. */
async function startJax(): Promise<{ readonly peer: Peer; readonly first: PeerStep }> {
  const script = join(import.meta.dirname, `training-step-jax${extname(import.meta.filename)}`);
  for (let attempt = 1; ; attempt++) {
    const peer = await openPeer(process.execPath, [script, adapter]);
    try {
      if (peer) return { peer, first: await peer.step() };
      throw new Error('jax-js did not start.');
    } catch (error) {
      if (attempt === attempts) throw error;
      console.error(`${error instanceof Error ? error.message : String(error)} jax-js is started again.`);
    }
  }
}

const suture = await openSuture();
const ownStep = async (): Promise<PeerStep> => {
  const { value, ...spent } = await timed(suture.step);
  return { loss: value, ...spent };
};
const { peer, first: theirFirst } = await startJax();
const first = { ours: await ownStep(), theirs: theirFirst };
const ours: PeerStep[] = [];
const theirs: PeerStep[] = [];
for (let i = 0; i < Number(options.steps); i++) {
  ours.push(await ownStep());
  theirs.push(await peer.step());
}
const losses = [first.ours, ...ours].map((own, i) => [own.loss, [first.theirs, ...theirs][i].loss] as const);
const difference = Math.max(...losses.map(([own, other]) => Math.abs(own - other) / Math.abs(other)));
const timings = { ours: timingOf(ours), theirs: timingOf(theirs) };
const ratio = ratioOf(timings.theirs, timings.ours);
const profile = options.profile ? await suture.profile() : undefined;
if (options.json) {
  console.log(JSON.stringify({ where: suture.where, ...timings, ratio, difference, losses, profile }, undefined, 2));
} else {
  console.log(`A training step of four 3x3 convolutions, 16 channels, on 4x16x64x64, ${suture.where}`);
  console.log(timingText('suture', timings.ours, first.ours.milliseconds));
  console.log(timingText('jax-js', timings.theirs, first.theirs.milliseconds));
  console.log(
    `  ${ratio.wall.toFixed(1)} times as fast (${ratio.processor.toFixed(1)} by processor time); ` +
      `losses of ${losses.length} steps differ by at most ${difference.toExponential(1)} of themselves`,
  );
  const kernels = [...(profile?.kernels ?? [])].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, 20);
  for (const { kernel, milliseconds } of kernels) console.log(`  ${milliseconds.toFixed(2).padStart(9)} ms  ${kernel}`);
}
suture.close();
peer.close();
