import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import { type GivenAttributesOf, inputAt, type Value } from '../../../ir/graph.ts';
import { print } from '../../../ir/print.ts';
import { float32 } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { differentiate } from '../../../passes/differentiate/index.ts';
import { type SuperNetwork, stitch } from '../../../passes/stitch.ts';
import {
  directMatching,
  doubleBatch,
  type LossGraph,
  type SwitchModes,
  taskLoss,
  taskMatching,
} from '../../../passes/train.ts';
import { random, relativeError, runOrt } from '../ort.ts';
import { feeds, network, unet } from './networks.ts';

const batch = 2;

/**
 * The method to the letter: one batch of 2N, halves taken apart at every switch and every loss. The features of the first half are
 * outputs `half/i`, to be fed as the inputs `reference/i`.
 */
function literal(net: SuperNetwork, parameters: readonly string[]): LossGraph {
  const b = new GraphBuilder('literal');
  const map = new Map<Value, Value>();
  for (const constant of net.graph.constants()) b.reserve(constant.name);
  const half = (x: Value, i: number) => b.op('Slice', [x, b.ints([i * batch]), b.ints([(i + 1) * batch]), b.ints([0])]);
  for (const input of net.graph.inputs) b.adoptInput(input);
  const images = net.graph.input('images');
  map.set(images, b.op('Concat', [images, images], { axis: 0 }));
  const losses: Value[] = [];
  // The reference is a constant to the gradient: it leaves the graph, and comes back in as data.
  const compare = (x: Value) => {
    const first = half(x, 0);
    const name = `reference/${losses.length}`;
    b.output(`half/${losses.length}`, first);
    losses.push(b.op('FeatureLoss', [half(x, 1), b.input(name, first.type)]));
  };
  for (const node of net.graph.nodes) {
    const inputs = node.inputs.map(v => v && (map.get(v) ?? v));
    if (node.op === 'Switch' && node.outputs[0].name.startsWith('switch/')) {
      const [, original, stitched] = inputs;
      const joined = b.op('Concat', [half(original!, 0), half(stitched!, 1)], { axis: 0 });
      map.set(node.outputs[0], joined);
      compare(joined);
      continue;
    }
    const copy = b.node(node.op, inputs, node.attributes as GivenAttributesOf<typeof node.op>);
    for (const [i, output] of node.outputs.entries()) map.set(output, copy.outputs[i]);
  }
  for (const { outputs } of net.parents) for (const name of outputs) compare(map.get(net.graph.output(name))!);
  b.output(
    'loss',
    losses.reduce((x, y) => b.op('Add', [x, y])),
  );
  return { graph: b.build(), loss: 'loss', terms: [], data: ['images'], parameters };
}

describe('double-batched training', () => {
  it('gives the loss and the gradients of the batch of 2N', async () => {
    const net = network(batch);
    const streams = doubleBatch(net);
    const whole = literal(net, streams.parameters);
    const given = feeds(whole.graph, batch);
    const [got, want] = [differentiate(streams.graph, streams), differentiate(whole.graph, whole)];
    const a = await runOrt(verify(got.graph), given);
    const first = await runOrt(verify(whole.graph), given);
    const references = whole.graph.outputs.flatMap(({ name }) =>
      name.startsWith('half/')
        ? [[name.replace('half', 'reference'), float32(first[name].shape, first[name].data)] as const]
        : [],
    );
    const b = await runOrt(verify(want.graph), { ...given, ...Object.fromEntries(references) });
    expect(relativeError(a.loss.data, b.loss.data)).toBeLessThan(1e-5);
    for (const name of streams.parameters) {
      const error = relativeError(a[got.gradients.get(name)!].data, b[want.gradients.get(name)!].data);
      expect(error, name).toBeLessThan(2e-4);
    }
  });

  it('computes upstream of the first stitch once, and no adjoint there', () => {
    const net = network();
    const late = doubleBatch(net, { switches: s => (s.position === 6 ? 'stitched' : 'original') });
    const { graph } = differentiate(late.graph, late);
    const count = (op: string) => graph.nodes.filter(n => n.op === op).length;
    // Two parents of four convolutions each; the stitched stream has its own heads only.
    expect(count('Conv')).toBe(2 * 4 + 2 + 2);
    expect(count('InstanceNormalizationGrad')).toBe(0);
    expect(late.parameters).toEqual([
      'stitch/6/b-a/weight',
      'stitch/6/b-a/bias',
      'stitch/6/a-b/weight',
      'stitch/6/a-b/bias',
    ]);
    expect(late.terms.map(t => t.output)).toEqual([
      'loss/6/a',
      'loss/6/b',
      'loss/7/a',
      'loss/7/b',
      'loss/output/a',
      'loss/output/b',
    ]);
  });

  it('reads as the method is written', () => {
    const net = network();
    const { graph } = doubleBatch(net, {
      switches: s => (s.position === 7 ? 'stitched' : 'original'),
      terms: 'switches',
    });
    const text = print(graph)
      .split('\n')
      .filter(l => /Stitch|FeatureLoss|Add|return/.test(l))
      .join('\n');
    expect(text).toMatchInlineSnapshot(`
      "  %stitched/stitch/7/b-a/output: float32[N, 4, 8, 8] = Stitch(%b/joined/act, %stitch/7/b-a/weight, %stitch/7/b-a/bias)
        %loss/7/a: float32[], %loss/7/a/divisor: float32[] = FeatureLoss(%stitched/stitch/7/b-a/output, %a/joined/act)
        %stitched/stitch/7/a-b/output: float32[N, 3, 8, 8] = Stitch(%a/joined/act, %stitch/7/a-b/weight, %stitch/7/a-b/bias)
        %loss/7/b: float32[], %loss/7/b/divisor: float32[] = FeatureLoss(%stitched/stitch/7/a-b/output, %b/joined/act)
        %loss/total: float32[] = Add(%loss/7/a, %loss/7/b)
        return loss = %loss/total, loss/7/a = %loss/7/a, loss/7/b = %loss/7/b"
    `);
  });

  it.each([
    ['last', ['loss/7/b', 'loss/output/b', 'loss/probability/b']],
    ['outputs', ['loss/output/b', 'loss/probability/b']],
  ] as const)('compares at the %s alone: terms of the whole loss, and their gradient', async (terms, names) => {
    const net = network();
    // One direction: b takes a's features twice.
    const switches: SwitchModes = s => (s.parent === 'b' && [0, 3].includes(s.position) ? [0, 1] : 'original');
    const all = doubleBatch(net, { switches, probabilityWeight: 3 });
    const few = doubleBatch(net, { switches, probabilityWeight: 3, terms });
    expect(few.parameters).toEqual(all.parameters);
    expect(few.parameters).toEqual([0, 3].flatMap(at => [`stitch/${at}/a-b/weight`, `stitch/${at}/a-b/bias`]));
    expect(few.terms.map(t => t.output)).toEqual(names);
    const given = feeds(all.graph, batch);
    const whole = await runOrt(verify(all.graph), given);
    const { graph, gradients } = differentiate(few.graph, few);
    const run = (fed: typeof given) => runOrt(verify(graph), fed);
    const found = await run(given);
    const wanted = names.reduce((sum, name) => sum + whole[name].data[0], 0);
    expect(relativeError(found.loss.data, [wanted])).toBeLessThan(1e-5);

    const draw = random(5);
    const signs = new Map(few.parameters.map(name => [name, given[name].data.map(() => (draw() < 0.5 ? -1 : 1))]));
    const lossAt = async (h: number): Promise<number> => {
      const moved = few.parameters.map(name => {
        const { shape, data } = given[name];
        return [
          name,
          float32(
            shape,
            data.map((v, i) => v + h * signs.get(name)![i]),
          ),
        ] as const;
      });
      return (await run({ ...given, ...Object.fromEntries(moved) })).loss.data[0];
    };
    const central = async (h: number): Promise<number> => ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    const numeric = (4 * (await central(2e-3)) - (await central(4e-3))) / 3;
    const parts = few.parameters.map(name =>
      found[gradients.get(name)!].data.reduce((sum, g, i) => sum + g * signs.get(name)![i], 0),
    );
    const norm = Math.hypot(...few.parameters.flatMap(name => [...found[gradients.get(name)!].data]));
    const analytic = parts.reduce((sum, part) => sum + part, 0);
    expect(Math.abs(analytic - numeric) / norm).toBeLessThan(1e-2);
  });

  it('takes weights of switches as data, for the step or for each sample', async () => {
    const net = network();
    const fixed = doubleBatch(net, { switches: () => [0.25, 0.75] });
    const perStep = doubleBatch(net, { switches: 'step' });
    const perSample = doubleBatch(net, { switches: 'sample' });
    expect(perStep.data).toEqual(['images', ...net.switches.map(s => s.weights)]);
    const given = feeds(perSample.graph, batch);
    for (const { weights } of net.switches) given[weights] = float32([2], [0.25, 0.75]);
    const want = await runOrt(verify(fixed.graph), given);
    const one = await runOrt(verify(perStep.graph), given);
    for (const { weights } of net.switches) given[weights] = float32([2, batch], [0.25, 0.25, 0.75, 0.75]);
    const two = await runOrt(verify(perSample.graph), given);
    expect(relativeError(one.loss.data, want.loss.data)).toBeLessThan(1e-6);
    expect(relativeError(two.loss.data, want.loss.data)).toBeLessThan(1e-6);
  });

  it('takes one weight for each position and sample, which is that of both switches there', async () => {
    const net = network();
    const perSwitch = doubleBatch(net, { switches: 'sample' });
    const perPosition = doubleBatch(net, { switches: 'position' });
    expect(perPosition.data).toEqual(['images', ...net.positions.map(({ id }) => `setting/${id}`)]);
    expect(perPosition.graph.nodes.some(n => n.op === 'Slice' || n.op === 'Switch')).toBe(false);
    const given = feeds(perSwitch.graph, batch);
    const draw = random(3);
    for (const { id } of net.positions) {
      const original = [draw() < 0.5 ? 1 : 0, draw()];
      given[`setting/${id}`] = float32([batch, 1, 1, 1], original);
      for (const { weights } of net.switches.filter(s => s.position === id))
        given[weights] = float32([2, batch], [...original, ...original.map(w => 1 - w)]);
    }
    const [got, want] = [perPosition, perSwitch].map(loss => differentiate(loss.graph, loss));
    const a = await runOrt(verify(got.graph), given);
    const b = await runOrt(verify(want.graph), given);
    expect(relativeError(a.loss.data, b.loss.data)).toBeLessThan(1e-5);
    for (const name of perSwitch.parameters) {
      const error = relativeError(a[got.gradients.get(name)!].data, b[want.gradients.get(name)!].data);
      expect(error, name).toBeLessThan(2e-4);
    }
  });

  it('weighs the error of the probabilities of all classes but the first, relative to their variance', async () => {
    const net = network();
    const loss = doubleBatch(net, { probabilityWeight: 20 });
    expect(loss.terms.map(t => t.output).slice(-2)).toEqual(['loss/probability/a', 'loss/probability/b']);
    const given = feeds(loss.graph, batch);
    const names = ['stitched/a/head', 'a/head'];
    const outputs = names.map(name => ({ name, value: [...loss.graph.values()].find(v => v.name === name)! }));
    const all = await runOrt(verify(loss.graph.with({ outputs: [...loss.graph.outputs, ...outputs] })), given);
    const [p, q] = names.map(name => foreground([...all[name].data] as number[]));
    const mean = (values: readonly number[]) => values.reduce((x, y) => x + y, 0) / values.length;
    const center = mean(q);
    // The operator adds 1e-8 to the variance, so that the loss of a constant feature stays finite.
    const variance = mean(q.map(v => (v - center) ** 2)) + 1e-8;
    const error = mean(p.map((v, i) => (v - q[i]) ** 2)) / variance;
    expect(Number(all['loss/probability/a'].data[0])).toBeCloseTo(20 * error, 3);
  });
});

/** The probability of the second class at each place, of logits [N, 2, 8, 8]. */
const foreground = (logits: readonly number[]): number[] =>
  Array.from({ length: logits.length / 2 }, (_, i) => {
    const at = Math.floor(i / 64) * 128 + (i % 64);
    return 1 / (1 + Math.exp(logits[at] - logits[at + 64]));
  });

describe('three parents', () => {
  const tags = ['a', 'b', 'c'];
  const same = (name: string) => Object.fromEntries(tags.map(tag => [tag, name]));
  const net = stitch(
    tags.map((tag, i) => ({ tag, graph: unet(tag, 2 + i, i) })),
    ['down/act', 'up'].map(name => ({ features: same(name) })),
  );

  it('are stitched from the mean of the two others', async () => {
    const loss = doubleBatch(net);
    expect(loss.parameters).toHaveLength(2 * 6 * 2);
    expect(loss.terms).toHaveLength(2 * 3 + 3);
    const weights = loss.graph.nodes.flatMap(n => (n.op === 'Switch' ? [[...inputAt(n, 0).constant!.data]] : []));
    expect(weights).toEqual(Array(6).fill([0, 0.5, 0.5]));
    const { graph } = differentiate(loss.graph, loss);
    const results = await runOrt(verify(graph), feeds(graph, batch));
    expect(results.loss.data[0]).toBeGreaterThan(0);
  });

  it('have a term for each of their stitches in direct matching', () => {
    const names = directMatching(net).terms.map(t => t.output);
    expect(names).toHaveLength(12);
    expect(new Set(names).size).toBe(12);
  });
});

describe('direct matching', () => {
  it('fits each stitch to the clean feature, without any other adjoint', async () => {
    const net = network();
    const direct = directMatching(net);
    const { graph } = differentiate(direct.graph, direct);
    const ops = new Set(graph.nodes.slice(direct.graph.nodes.length).map(n => n.op));
    expect([...ops].sort()).toEqual(['FeatureLossGrad', 'StitchGrad']);
    expect(direct.terms).toHaveLength(net.stitches.length);
    const results = await runOrt(verify(graph), feeds(graph, batch));
    const total = direct.terms.reduce((sum, t) => sum + results[t.output].data[0], 0);
    expect(results.loss.data[0]).toBeCloseTo(total, 4);
  });
});

describe('task loss', () => {
  it('is cross-entropy plus soft Dice, and falls along its gradient', async () => {
    const net = network();
    const task = taskMatching(net, { switches: 'learned', outputs: 'learned' });
    expect(task.parameters).toContain('output/logits');
    const { graph, gradients } = differentiate(task.graph, task);
    verify(graph);
    const given = feeds(graph, batch);
    const labels = {
      dtype: 'int32' as const,
      shape: [batch, 8, 8],
      data: Int32Array.from({ length: 128 }, (_, i) => (i >> 2) & 1),
    };
    const at = (scale: number, results: Record<string, { data: Float64Array }>) =>
      Object.fromEntries(
        Object.entries(given).map(([name, t]) => {
          const gradient = results[gradients.get(name) ?? '']?.data;
          return [
            name,
            gradient
              ? float32(
                  t.shape,
                  t.data.map((v, i) => v - scale * gradient[i]),
                )
              : t,
          ];
        }),
      );
    const before = await runOrt(graph, { ...given, labels });
    const after = await runOrt(graph, { ...at(1e-3, before), labels });
    const slope = [...gradients.values()].reduce((s, g) => s + before[g].data.reduce((p, v) => p + v * v, 0), 0);
    expect((before.loss.data[0] - after.loss.data[0]) / (1e-3 * slope)).toBeCloseTo(1, 1);
  });

  it.each(['softmax', 'sigmoid'] as const)('has the value that its definition gives, for a %s', async mean => {
    const [n, c, size] = [2, mean === 'softmax' ? 3 : 1, 5];
    const draw = random(11);
    const b = new GraphBuilder('loss');
    const output = b.input('logits', { dtype: 'float32', shape: [n, c, size] });
    const truth = b.input('labels', { dtype: 'int32', shape: [n, size] });
    b.output(
      'loss',
      taskLoss(b, output, truth, {
        task: 'segmentation',
        meaning: { kind: 'logits', activation: mean, channelAxis: 1, channels: c },
      }),
    );
    const logits = Float32Array.from({ length: n * c * size }, () => 4 * draw() - 2);
    const labels = Int32Array.from({ length: n * size }, (_, i) => (mean === 'softmax' ? i % 3 : i % 2));
    const { loss } = await runOrt(verify(b.build()), {
      logits: float32([n, c, size], logits),
      labels: { dtype: 'int32', shape: [n, size], data: labels },
    });

    const classes = Math.max(2, c);
    const [hit, sizes] = [Array(classes).fill(0), Array(classes).fill(0)];
    let entropy = 0;
    for (let i = 0; i < n * size; i++) {
      const at = (k: number) => logits[Math.floor(i / size) * c * size + k * size + (i % size)];
      const scores = c === 1 ? [0, at(0)] : [0, 1, 2].map(at);
      const total = scores.reduce((sum, v) => sum + Math.exp(v), 0);
      for (let k = 0; k < classes; k++) {
        const p = Math.exp(scores[k]) / total;
        if (labels[i] === k) {
          entropy -= Math.log(p) / (n * size);
          hit[k] += p;
        }
        sizes[k] += p + (labels[i] === k ? 1 : 0);
      }
    }
    const dice = sizes.map((s, k) => (2 * hit[k]) / s).slice(1);
    expect(loss.data[0]).toBeCloseTo(entropy + 1 - dice.reduce((x, y) => x + y) / dice.length, 4);
  });

  it.each([
    ['softmax', 3],
    ['sigmoid', 1],
    ['sigmoid', 2],
  ] as const)('leaves out what is marked, value and gradient: %s over %i', async (activation, channels) => {
    const known = [0, 2, 3, 6];
    const draw = random(5);
    const logits = Array.from({ length: channels }, () => Array.from({ length: 7 }, () => 4 * draw() - 2));
    const truth = Array.from({ length: activation === 'sigmoid' ? channels : 1 }, (_, r) =>
      Array.from({ length: 7 }, (_, i) => (known.includes(i) ? (i + r) % (activation === 'softmax' ? 3 : 2) : -1)),
    );
    const run = async (places: readonly number[], ignore: boolean) => {
      const b = new GraphBuilder('loss');
      const output = b.input('logits', { dtype: 'float32', shape: [1, channels, places.length] });
      const shape = [1, ...(truth.length > 1 ? [truth.length] : []), places.length];
      const labels = b.input('labels', { dtype: 'int32', shape });
      const meaning = { kind: 'logits', activation, channelAxis: 1, channels } as const;
      b.output('loss', taskLoss(b, output, labels, { task: 'segmentation', meaning, ignore }));
      const { graph, gradients } = differentiate(b.build(), { loss: 'loss', parameters: ['logits'] });
      const at = (rows: number[][]) => rows.flatMap(row => places.map(p => row[p]));
      const result = await runOrt(verify(graph), {
        logits: float32([1, channels, places.length], at(logits)),
        labels: { dtype: 'int32', shape, data: Int32Array.from(at(truth)) },
      });
      return { loss: result.loss.data[0], gradient: [...result[gradients.get('logits')!].data] };
    };
    const [marked, alone] = [await run([0, 1, 2, 3, 4, 5, 6], true), await run(known, false)];
    expect(marked.loss).toBeCloseTo(alone.loss, 5);
    const slopes = marked.gradient.map((g, i) => ({ g, at: known.indexOf(i % 7), channel: Math.floor(i / 7) }));
    for (const { g, at, channel } of slopes) {
      expect(g).toBeCloseTo(at < 0 ? 0 : alone.gradient[channel * known.length + at], 5);
    }
    expect((await run([1, 4, 5], true)).loss).toBeCloseTo(0, 5);
  });

  it('learns weights alone where the stitches are frozen', () => {
    const net = network();
    const task = taskMatching(net, {
      switches: s => (s.position === 6 ? 'learned-per-channel' : 'original'),
      trainStitches: false,
    });
    expect(task.parameters).toEqual(['switch/6/a', 'switch/6/b']);
    expect(task.graph.input('switch/6/a').type.shape).toEqual([2, 1, 4]);
    expect(task.data).toContain('stitch/6/b-a/weight');
  });
});
