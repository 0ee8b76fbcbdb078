/** The page of a run that there is not: six parents, 150 positions, 500 cases. */
import { Random } from '../../../../src/data/random.ts';
import { type RunPageParts, runPage } from '../../../../src/report/html/run.ts';
import { withDefaults } from '../../../../src/training/options.ts';

const hash = '0'.repeat(64);
const tags = [...'abcdef'];

export function largePage(): string {
  const random = Random.seeded(1, 'page');
  const score = (): number => Math.max(0, Math.min(1, 0.85 + 0.06 * random.normal()));
  const positions = Array.from({ length: 150 }, (_, position) => position);
  const candidate = 'output ensemble, gated';
  const networks = [...tags.map(tag => `parent ${tag}`), 'output ensemble', candidate];
  const difference = (): { value: number; low: number; high: number; groups: number } => {
    const value = 0.05 * random.normal();
    return { value, low: value - 0.02, high: value + 0.02, groups: 40 };
  };
  const classes = [1, 2].map(k => ({ name: `class ${k}`, mean: score(), pooled: score(), cases: 500 }));
  const tests = ['home', 'away'].map(name => ({
    ...{ name, data: `${name}.npz`, images: 500, metric: 'dice' as const },
    rows: networks.map(network => ({ network, score: { value: score(), pooled: score(), classes } })),
    comparisons: ['output ensemble', 'parent a'].map(against => ({ network: candidate, against, ...difference() })),
  }));
  const output = { kind: 'logits' as const, activation: 'softmax' as const, channelAxis: 1, channels: 3 };
  const sources = Object.fromEntries(tags.map(tag => [tag, `site_${tag}/network.onnx`]));
  const training = withDefaults();
  const features = Array.from(
    { length: 240 },
    (_, i) => `/encoder/stages.${i % 7}/convs.${i}/nonlin/LeakyRelu_output_0`,
  );
  const parts: RunPageParts = {
    summary: {
      ...{ run: 'RUN', parents: sources, outputs: Object.fromEntries(tags.map(tag => [tag, output])), positions: 150 },
      ...{
        method: 'double-batched',
        steps: 3000,
        batch: 8,
        seed: 0,
        executor: 'ONNX Runtime',
        firstLoss: 40,
        lastLoss: 2,
      },
    },
    match: {
      columns: tags.map(tag => ({ title: `${tag}: network.onnx`, features })),
      rows: positions.map(position => ({
        position,
        at: tags.map((_, c) => position + 10 * c),
        links: tags.slice(1).map((_, c) => [0, c + 1] as const),
        score: random.float(),
      })),
    },
    studying: [],
    training: Array.from({ length: 301 }, (_, i) => ({
      step: 10 * i,
      loss: 40 * Math.exp(-i / 90),
      learningRate: 3e-3 * (1 - i / 300),
    })),
    verdict: {
      ...{ data: { source: 'val.npz', images: 500 }, metric: 'dice', chosen: 7, bar: 0, incumbent: 7 },
      stress: [{ name: 'gamma', source: 'val.npz', images: 32 }],
      standings: networks.map((name, i) => ({
        ...{ name, cost: 1, share: 1 / 6, own: score(), shift: score(), affordable: true, eligible: i > 5 },
        ...(i !== 7 && { chosenBetterBy: { own: difference(), shift: difference() } }),
      })),
    },
    report: {
      ...{ validation: { source: 'val.npz', images: 500, labels: '3 classes of each place' }, tests },
      ...{ selection: { rule: 2, position: 70 }, agreement: { relativeError: 1e-7, images: 8, agrees: true } },
      exported: { candidate, gated: true, batch: 'any', nodes: 900, parameters: 1e6 },
    },
    sweep: {
      ...{ data: { source: 'val.npz', images: 500 }, metric: 'dice', higherIsBetter: true, folds: [0, 1, 2, 3, 4] },
      references: [...tags, 'ensemble'].map(name => ({
        name,
        value: score(),
        pooled: score(),
        folds: [0, 1, 2, 3, 4].map(score),
      })),
      positions: positions.map(position => ({
        ...{ position, depth: position / 150, value: score(), pooled: score(), folds: [0, 1, 2, 3, 4].map(score) },
        ...{ parameters: 1e6, flops: 1e9 },
      })),
    },
    front: undefined,
    search: undefined,
    cases: ['home', 'away'].map(name => ({
      ...{ name, source: `${name}.npz`, metric: 'dice', higherIsBetter: true, networks },
      cases: Array.from({ length: 500 }, (_, i) => ({ case: i, name: `patient_${i}`, scores: networks.map(score) })),
    })),
    pictures: [picturedSet(random, networks)],
    leftOut: ['Pictures of away are left out: away.npz: there is no such file.'],
    provenance: {
      config: {
        ...{
          format: 'suture-run',
          version: 2,
          pairs: hash,
          task: 'segmentation',
          outputMean: 'probabilities',
          training,
        },
        parents: Object.fromEntries(
          tags.map(tag => [
            tag,
            { file: `parents/${tag}.onnx`, source: sources[tag], sha256: hash, external: [], meaning: output },
          ]),
        ),
        ...{
          data: { source: 'train.npz', sha256: hash, images: 900 },
          executor: { name: 'ort', description: 'ONNX Runtime' },
        },
        versions: { suture: '0.1.0' },
      },
      ...{ asked: undefined, command: 'suture run', model: hash, seals: { config: hash, parameters: hash } },
    },
  };
  return runPage(parts);
}

function picturedSet(random: Random, networks: readonly string[]): RunPageParts['pictures'][number] {
  const side = 96;
  const disc = (x: number, y: number, radius: number) => {
    const codes = Int32Array.from({ length: side * side }, (_, i) =>
      Math.hypot((i % side) - x, Math.floor(i / side) - y) < radius ? 1 + (i % 2) * Number(i % side > x) : 0,
    );
    return { width: side, height: side, codes };
  };
  return {
    ...{ name: 'home', classes: ['organ', 'lesion'], kind: 'classes' },
    cases: ['the best case', 'the median case', 'the worst case'].map((which, i) => ({
      ...{ which, case: i, name: `patient_${i}`, part: 'slice 7 of 20' },
      image: {
        width: side,
        height: side,
        channels: 1,
        data: Float32Array.from({ length: side * side }, () => random.normal()),
      },
      reference: disc(45, 45, 20),
      answers: networks.map(network => ({
        network,
        score: random.float(),
        mask: disc(40 + 10 * random.float(), 45, 20),
      })),
    })),
  };
}
