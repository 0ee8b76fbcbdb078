import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { type TrainingRequest, trainingSchema, withDefaults } from '../../../src/training/options.ts';

describe('defaults', () => {
  it('are those of the kind of training', () => {
    expect(withDefaults()).toMatchObject({
      ...{ method: 'double-batched', settings: 'sampled', init: 'sequential', initImages: 80, closingImages: 160 },
      ...{ learningRate: 3e-3, probabilityWeight: 20, steps: 300, batch: 8 },
    });
    expect(withDefaults({ settings: 'all' })).toMatchObject({
      ...{ init: 'ridge', initImages: 40, closingImages: 0, learningRate: 1e-2, probabilityWeight: 0 },
    });
    expect(withDefaults({ method: 'direct' })).toMatchObject({ settings: 'all', init: 'ridge', learningRate: 1e-2 });
    expect(withDefaults({ weight: 0.9 })).toMatchObject({ settings: 'fixed', init: 'ridge', closingImages: 0 });
    expect(withDefaults({ method: 'task', output: 0 })).toMatchObject({ settings: 'sampled', closingImages: 0 });
    expect(withDefaults({}, { dense: false })).toMatchObject({ settings: 'sampled', learningRate: 3e-4 });
    expect(withDefaults({ learningRate: 1e-3 }, { dense: false })).toMatchObject({ learningRate: 1e-3 });
    expect(withDefaults({ init: 'kaiming' })).toMatchObject({ settings: 'sampled', learningRate: 1e-2 });
    expect(withDefaults({ learningRate: 1, init: 'ridge' })).toMatchObject({ learningRate: 1, init: 'ridge' });
  });
});

const wrong: readonly (readonly [TrainingRequest, RegExp])[] = [
  [{ method: 'direct', settings: 'sampled' }, /clean features.*leave out --settings/],
  [{ method: 'direct', settings: 'fixed', positions: [1] }, /clean features/],
  [{ method: 'direct', weight: 0.5 }, /clean features/],
  [{ settings: 'sampled', positions: [1] }, /a setting of their own: leave out --settings sampled/],
  [{ method: 'task', settings: 'all', weight: 0.5 }, /a setting of their own: leave out --settings all/],
  [{ output: 0.5 }, /--method task alone/],
  [{ method: 'direct', output: 0.5 }, /--method task alone/],
  [{ method: 'direct', loss: 'last' }, /leave out --loss, or train double-batched/],
  [{ method: 'task', loss: 'outputs' }, /leave out --loss/],
  [{ settings: 'all', closingImages: 1 }, /leave out --closing-images/],
  [{ method: 'task', closingImages: 1 }, /leave out --closing-images/],
  [{ steps: -1 }, /^The training setting steps must be a whole number from 0 on\.$/],
  [{ weight: 1 }, /^The training setting weight must be a number from 0 to below 1\.$/],
  [{ learningRate: Number.NaN }, /^The training setting learningRate must be a number greater than 0\.$/],
  [JSON.parse('{"init": "best"}'), /^The training setting init must be one of sequential, ridge, kaiming, identity\.$/],
  [JSON.parse('{"method": "best"}'), /^The training setting method must be one of double-batched, direct, task\.$/],
];

describe('what does not go together', () => {
  it.each(wrong)('%j', (given, message) => {
    expect(() => withDefaults(given)).toThrow(message);
  });

  it('is nothing that a run could hold', () => {
    const sound = withDefaults({ method: 'direct' });
    expect(v.is(trainingSchema, sound)).toBe(true);
    for (const more of [
      { positions: [1] },
      { weight: 0 },
      { output: 0 },
      { closingImages: 1 },
      { settings: 'fixed' },
    ]) {
      expect(v.is(trainingSchema, { ...sound, ...more })).toBe(false);
    }
  });
});

describe('settings that a run keeps', () => {
  it('are read as they were written', () => {
    for (const given of [{}, { settings: 'all' }, { positions: [2, 1] }, { method: 'task', weight: 0 }] as const) {
      const kept = JSON.stringify(withDefaults(given));
      expect(JSON.stringify(v.parse(trainingSchema, JSON.parse(kept)))).toBe(kept);
    }
  });

  it('may be of a version that knew fewer of them', () => {
    const old = { method: 'double-batched', init: 'ridge', steps: 3, batch: 2, learningRate: 0.01, seed: 0 };
    expect(v.parse(trainingSchema, { ...old, normalize: true, initImages: 40 })).toEqual({
      ...{ ...old, normalize: true, initImages: 40 },
      ...{ settings: 'all', averaged: 0, probabilityWeight: 0, closingImages: 0 },
    });
  });
});
