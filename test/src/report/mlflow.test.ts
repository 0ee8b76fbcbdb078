import { describe, expect, it } from 'vitest';
import { experimentText, mlflowFiles, mlflowFolder } from '../../../src/report/mlflow.ts';
import { trackedRun } from '../../../src/report/tracked-run.ts';
import { withDefaults } from '../../../src/training/options.ts';

const parent = {
  ...{ file: 'parents/a.onnx', source: 'A "x": [1].onnx', sha256: '', external: [] },
  meaning: { kind: 'logits' as const, activation: 'softmax' as const, channelAxis: 1, channels: 2 },
};

const run = trackedRun({
  ...{ name: 'run: \u0085 1', seal: 'abcdef'.repeat(10), begun: 5, ended: 7 },
  config: {
    ...{ format: 'suture-run', version: 2, parents: { a: parent, b: parent }, pairs: '', task: 'segmentation' },
    ...{ outputMean: 'probabilities', training: withDefaults(), data: { source: 't.npz', sha256: '', images: 1 } },
    ...{ executor: { name: 'ort', description: 'ONNX Runtime' }, versions: { suture: '1', webgpu: undefined } },
  },
  training: [
    { step: 0, loss: 2, learningRate: 1e-9, terms: { '0/a': 1, 'output/b': 0.5 } },
    { step: 10, loss: Number.NaN, learningRate: 0, terms: { '0/a': 2, 'output/b': 0.25 } },
  ],
  ...{ sweep: undefined, report: undefined },
  verdict: {
    ...{ data: { source: 'v.npz', images: 1 }, metric: 'dice', stress: [], chosen: 0, bar: 0, incumbent: 0 },
    standings: [
      { name: 'output ensemble, weights 0.6/0.4', cost: 1, share: 0.6, own: 0.5, affordable: true, eligible: true },
    ],
  },
});

const experiment = { id: '7', name: 'mine', begun: 3 };
const files = mlflowFiles('/data/my runs', experiment, run);

describe('a run in a file store of MLflow', () => {
  it('has a metric in each file: lines of a time, a number and a step, without what is no number', () => {
    expect(mlflowFolder(experiment, run)).toBe(`7/${'abcdef'.repeat(10).slice(0, 32)}`);
    expect(files.get(`metrics/loss`)).toBe('7 2 0\n');
    expect(files.get(`metrics/learning rate`)).toBe('7 1e-9 0\n7 0 10\n');
    expect(files.get(`metrics/terms/output/b`)).toBe('7 0.5 0\n7 0.25 10\n');
  });

  it('has names that MLflow takes, and that lead nowhere else', () => {
    // `_validate_metric_name` of MLflow 2: word characters, slashes, dots, spaces and hyphens, as a path that is normal.
    const keys = [...files.keys()].map(path => path.replace(/^(metrics|params|tags)\//, ''));
    for (const key of keys) expect(key).toMatch(/^(?!\.)[/\w.\- ]+$/);
    expect(files.get(`metrics/output ensemble weights 0.6/0.4/own`)).toBe('7 0.5 0\n');
  });

  it('has texts in YAML as they are', () => {
    const meta = files.get('meta.yaml')!;
    expect(meta).toContain('run_name: "run: \\u0085 1"\n');
    expect(meta).toContain(`artifact_uri: "file:///data/my%20runs/${mlflowFolder(experiment, run)}/artifacts"\n`);
    expect(meta).toContain('status: 3\n');
    expect(meta).toContain('end_time: 7\n');
    const running = mlflowFiles('/data', experiment, { ...run, status: 'running' }).get('meta.yaml')!;
    expect(running).toContain('status: 1\n');
    expect(running).toContain('end_time: null\n');
    expect(experimentText('/data', experiment)).toContain('artifact_location: "file:///data/7"\n');
    expect(files.get(`params/parent a`)).toBe('A "x": [1].onnx');
  });
});
