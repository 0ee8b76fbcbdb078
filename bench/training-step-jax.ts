/**
 * jax-js's side of training-step.ts, in a process of its own: a device of jax-js beside ours was seen to end a process. See peer.ts
 * for how the two talk.
 *
 *     node dist/bench/training-step-jax.js [auto|gpu|embedded]
 */
import { createInterface } from 'node:readline';
import * as jax from '@jax-js/jax';
import { adapterChoices, adapterName } from '../runtime/adapter/index.ts';
import { searchAdapter } from '../runtime/adapter/search.ts';
import { adam, image, layers, sizeOf, target, weight, weights, x } from './four-convolutions.ts';
import { timed } from './timing.ts';

const adapter = adapterChoices.find(choice => choice === process.argv[2]) ?? 'auto';

/** jax-js finds its adapter through `navigator.gpu`, which Node lacks: it is given the one that suture found. */
async function openJax(): Promise<{ where: string; step: () => Promise<number> }> {
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
        const g = (gradients as jax.Array[])[i];
        const first = m[i].mul(beta1).add(g.ref.mul(1 - beta1));
        const second = v[i].mul(beta2).add(np.square(g).mul(1 - beta2));
        const root = np.sqrt(second.ref.div(bias2.ref)).add(epsilon);
        const moved = first.ref.div(bias1.ref).div(root).mul(learningRate);
        return { w: each.sub(moved), m: first, v: second };
      });
      return {
        loss,
        w: next.map(each => each.w),
        m: next.map(each => each.m),
        v: next.map(each => each.v),
        bias: [bias1, bias2],
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
    where: adapterName(found.facts),
    step: async () => {
      const { loss, ...next } = update(state.w, state.m, state.v, state.bias, input.ref, wanted.ref);
      state = next;
      await jax.blockUntilReady(Object.values(next).flat());
      return Number((await loss.data())[0]);
    },
  };
}

const peer = await openJax();
console.log(JSON.stringify({ where: peer.where }));
for await (const _ of createInterface({ input: process.stdin })) {
  const { value, ...spent } = await timed(peer.step);
  console.log(JSON.stringify({ loss: value, ...spent }));
}
// jax-js keeps its device open.
process.exit(0);
