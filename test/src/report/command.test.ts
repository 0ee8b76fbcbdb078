import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longName } from '../../../src/options/option.ts';
import { commandOf, quoted } from '../../../src/report/command.ts';
import type { RunConfig } from '../../../src/run/config.ts';
import { type TrainingRequest, trainingOptions, withDefaults } from '../../../src/training/options.ts';

const parent = (file: string) => ({
  ...{ file, source: file, sha256: '0'.repeat(64), external: [] },
  meaning: { kind: 'logits' as const, activation: 'softmax' as const, channelAxis: 1, channels: 2 },
});

const configOf = (training: RunConfig['training'], more: Partial<RunConfig> = {}): RunConfig => ({
  ...{ format: 'suture-run', version: 2, pairs: '0'.repeat(64), task: 'segmentation', outputMean: 'probabilities' },
  parents: { a: parent('a.onnx'), b: parent('b.onnx') },
  training,
  data: { source: 't.npz', sha256: '0'.repeat(64), images: 4 },
  executor: { name: 'ort', description: 'ONNX Runtime' },
  versions: {},
  ...more,
});

/** What a training's options on a command line say, read by their own kinds. */
function readBack(command: string): TrainingRequest {
  const words = command.split(' ');
  return Object.fromEntries(
    Object.entries(trainingOptions).flatMap(([name, option]) => {
      const long = longName(name, option);
      if (words.includes(`--no-${long}`)) return [[name, false]];
      const at = words.indexOf(`--${long}`);
      return at < 0 ? [] : [[name, option.kind.read(words[at + 1], undefined as never)]];
    }),
  );
}

describe('the command of a run', () => {
  it('says all of a training that would not hold without it, and nothing else', () => {
    const say = (given: TrainingRequest) => commandOf(configOf(withDefaults(given)), undefined, true);
    expect(say({})).toBe(
      'suture stitch a.onnx b.onnx --data t.npz --task segmentation --activation softmax --executor ort',
    );
    expect(say({ positions: [3, 4], steps: 7 })).toContain('--activation softmax --positions 3,4 --steps 7 --executor');
    expect(say({ method: 'direct', normalize: false })).toContain(' --method direct --no-normalize ');
  });

  it('gives the same settings when it is read again', () => {
    const requests: fc.Arbitrary<TrainingRequest> = fc.oneof(
      fc.record(
        {
          ...{ steps: fc.nat(500), batch: fc.integer({ min: 1, max: 32 }), seed: fc.nat(9), normalize: fc.boolean() },
          learningRate: fc.constantFrom(1e-4, 0.003, 0.01, 0.5),
          init: fc.constantFrom('sequential', 'ridge', 'kaiming', 'identity'),
          settings: fc.constantFrom('sampled', 'all'),
          memory: fc.constantFrom(0.5, 1, 2e9),
        },
        { requiredKeys: [] },
      ),
      fc.record(
        { method: fc.constant('direct'), steps: fc.nat(9), closingImages: fc.constant(0) },
        { requiredKeys: ['method'] },
      ),
      fc.record(
        { positions: fc.uniqueArray(fc.nat(30), { minLength: 1 }), weight: fc.constantFrom(0, 0.5, 0.9) },
        { requiredKeys: ['positions'] },
      ),
      fc.record(
        { method: fc.constant('task'), output: fc.constantFrom(0.3, [0.5, 0.25, 0.25]) },
        { requiredKeys: ['method'] },
      ),
    ) as fc.Arbitrary<TrainingRequest>;
    fc.assert(
      fc.property(requests, fc.boolean(), (given, dense) => {
        const training = withDefaults(given, { dense });
        const command = commandOf(configOf(training), undefined, dense)!;
        expect(withDefaults(readBack(command), { dense })).toEqual(training);
      }),
    );
  });

  it('has what was said of data, of networks, and of what follows', () => {
    const asked = {
      validation: { source: 'my val.npz', sha256: '' },
      tests: [{ name: 'b', source: "it's.npz", sha256: '' }],
      ...{ gate: false, budget: 0.65, rule: 1 as const, half: true },
    };
    const labels = {
      ignoreLabel: -1,
      regions: [[1, 2], [2]],
      folder: { plans: 'plans.json', tile: [64, 64], partners: { b: 'q.json' } },
    };
    const parents = { a: { ...parent('a.onnx'), output: 'y' }, b: { ...parent('b.onnx'), classes: [0, null, 1] } };
    const command = commandOf(configOf(withDefaults(), { labels, parents, outputMean: 'plain' as never }), asked, true);
    expect(command).toBe(
      "suture run a.onnx b.onnx --train t.npz --val 'my val.npz' --test 'b=it'\\''s.npz' --no-gate --no-shift --budget 0.65 --rule 1 --half --task " +
        'segmentation --activation softmax --output-mean plain --ignore-label -1 --regions 1+2,2 --plans plans.json --plans-b q.json --tile ' +
        '64,64 --output-a y --classes-b 0,-,1 --executor ort',
    );
  });

  it('is none where a run goes on from another one', () => {
    const training = {
      ...withDefaults(),
      settings: 'found',
      init: 'run',
      found: [],
      from: { run: 'R', parameters: '' },
    };
    expect(commandOf(configOf(training as never), undefined, true)).toBeUndefined();
  });
});

it('a word is quoted so that a shell reads it as it is', () => {
  const words = fc.array(
    fc.string({ unit: 'grapheme', minLength: 1 }).filter(word => !/[\0\n\r\ud800-\udfff]/u.test(word)),
    {
      minLength: 1,
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(words, list => {
      const command = `printf '%s\\n' ${list.map(quoted).join(' ')}`;
      expect(execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' })).toBe(`${list.join('\n')}\n`);
    }),
    { numRuns: 20 },
  );
});
