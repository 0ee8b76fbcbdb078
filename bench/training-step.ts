/**
 * A training step of four 3×3 convolutions of 16 channels on images [4, 16, 64, 64] (mean squared error, Adam): suture's WebGPU
 * executor against jax-js (`jit` of loss, gradients and update), on the same adapter, in one process and in turns. The losses of
 * both are compared as they go.
 *
 *     node dist/bench/training-step.js [--steps N] [--adapter auto|gpu|embedded] [--profile] [--json]
 */
import { parseArgs } from 'node:util';
import * as jax from '@jax-js/jax';
import { float32, GraphBuilder } from '../ir/index.ts';
import { lower, simplify, trainingStep } from '../passes/index.ts';
import { adapterChoices } from '../runtime/adapter/index.ts';
import { searchAdapter } from '../runtime/adapter/search.ts';
import { createWebgpuExecutor, type Profile } from '../runtime/index.ts';
import { noise, ratioOf, type Spent, timed, timingOf, timingText } from './timing.ts';

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '5' },
    adapter: { type: 'string', default: 'auto' },
    profile: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const adapter = adapterChoices.find(choice => choice === options.adapter) ?? 'auto';

const image = [4, 16, 64, 64];
const weight = [16, 16, 3, 3];
const layers = ['w0', 'w1', 'w2', 'w3'];
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const x = noise(sizeOf(image), 1);
const target = noise(sizeOf(image), 2);
// He's initialisation: numbers of variance 1 times √(2 / fan-in).
const weights = layers.map((_, i) => noise(sizeOf(weight), 3 + i).map(v => v * Math.sqrt(2 / (16 * 9))));
const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

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
  const loss = { graph: b.build(), loss: 'loss' as const, terms: [], data: ['x', 'target'], parameters: layers };
  // A cosine this long is a constant rate.
  const { graph, carry, state } = trainingStep(loss, { ...adam, steps: 1e9 });
  const executor = await createWebgpuExecutor({ adapter });
  const data = { x: float32(image, x), target: float32(image, target) };
  const resident = new Map([
    ...state,
    ...layers.map((name, i) => [name, float32(weight, weights[i]!)] as const),
    ...Object.entries(data),
  ]);
  const session = await executor.prepare(lower(simplify(graph)), { carry, resident });
  return {
    step: async () => Number((await session.run({}, ['loss'])).loss!.data[0]),
    profile: async () => session.profile?.({}),
    where: executor.describe(),
    close: () => executor.dispose(),
  };
}

/** jax-js finds its adapter through `navigator.gpu`, which Node lacks: it is given the one that suture found. */
async function openJax(): Promise<{ step: Step }> {
  const { found } = await searchAdapter({ adapter });
  if (!found) throw new Error('There is no adapter.');
  const navigator = { gpu: { requestAdapter: async () => found.adapter }, userAgent: 'node', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js does not open the adapter.');
  jax.defaultDevice('webgpu');
  const { numpy: np, lax } = jax;
  const array = (data: Float32Array, shape: readonly number[]) =>
    np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] });

  // Every use of an array takes it over; `ref` keeps it.
  const lossOf = (w: jax.Array[], input: jax.Array, wanted: jax.Array): jax.Array => {
    const output = w.reduce((h, each) => lax.convGeneralDilated(h, each, [1, 1], 'SAME'), input);
    return np.square(output.sub(wanted)).mean();
  };
  const { learningRate, beta1, beta2, epsilon } = adam;
  const update = jax.jit(
    (w: jax.Array[], m: jax.Array[], v: jax.Array[], bias: jax.Array[], input: jax.Array, wanted: jax.Array) => {
      const [loss, gradients] = jax.valueAndGrad(lossOf)(
        w.map(each => each.ref),
        input,
        wanted,
      );
      const [bias1, bias2] = bias.map((each, i) =>
        each.mul(i === 0 ? beta1 : beta2).add(i === 0 ? 1 - beta1 : 1 - beta2),
      );
      const next = w.map((each, i) => {
        const g = (gradients as jax.Array[])[i]!;
        const first = m[i]!.mul(beta1).add(g.ref.mul(1 - beta1));
        const second = v[i]!.mul(beta2).add(np.square(g).mul(1 - beta2));
        const root = np.sqrt(second.ref.div(bias2!.ref)).add(epsilon);
        const moved = first.ref.div(bias1!.ref).div(root).mul(learningRate);
        return { w: each.sub(moved), m: first, v: second };
      });
      return {
        loss,
        w: next.map(each => each.w),
        m: next.map(each => each.m),
        v: next.map(each => each.v),
        bias: [bias1!, bias2!],
      };
    },
  );
  const zeros = () => layers.map(() => array(new Float32Array(sizeOf(weight)), weight));
  const [input, wanted] = [array(x, image), array(target, image)];
  let state = {
    w: weights.map(each => array(each, weight)),
    m: zeros(),
    v: zeros(),
    bias: [array(new Float32Array(1), []), array(new Float32Array(1), [])],
  };
  return {
    step: async () => {
      const { loss, ...next } = update(state.w, state.m, state.v, state.bias, input.ref, wanted.ref);
      state = next;
      await jax.blockUntilReady(Object.values(next).flat());
      return Number((await loss.data())[0]);
    },
  };
}

const suture = await openSuture();
const peer = await openJax();
const first = { ours: await timed(suture.step), theirs: await timed(peer.step) };
const ours: (Spent & { value: number })[] = [];
const theirs: (Spent & { value: number })[] = [];
for (let i = 0; i < Number(options.steps); i++) {
  ours.push(await timed(suture.step));
  theirs.push(await timed(peer.step));
}
const losses = [first.ours, ...ours].map((own, i) => [own.value, [first.theirs, ...theirs][i]!.value] as const);
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
// jax-js keeps its device open.
process.exit(0);
