import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addTraining, TrackedMetrics, trackedName } from '../../../src/report/tracked.ts';

/** What `_validate_metric_name` of MLflow 2 and 3 takes: these characters, and as a path nothing but itself. */
const isTaken = (name: string): boolean =>
  /^[/\p{L}\p{N}_.\- ]+$/u.test(name) && posix.normalize(name) === name && !/^(\.|\/)/.test(name) && name.length > 0;

describe('the name of a metric', () => {
  it('is one that MLflow takes and that leads nowhere else, whatever it is made of', () => {
    const part = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('.', '/', ' ', '\\', 'a', 'ü', '病', '\0') }));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), parts => {
        const name = trackedName(...parts);
        expect(name).toSatisfy(isTaken);
        for (const file of name.split('/')) expect(Buffer.byteLength(file)).toBeLessThan(256);
      }),
    );
  });

  it('keeps what can be kept', () => {
    expect(trackedName('output ensemble, weights 0.6/0.4', 'own')).toBe('output ensemble weights 0.6/0.4/own');
    expect(trackedName('test', '../../etc/病院 1')).toBe('test/_/_/etc/病院 1');
  });
});

describe('metrics', () => {
  it('are told apart, each a file that is no folder of others as well', () => {
    const name = fc.string({ unit: fc.constantFrom('a', '/', '!') });
    fc.assert(
      fc.property(fc.array(fc.array(name, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), all => {
        const metrics = new TrackedMetrics();
        for (const [i, parts] of all.entries()) metrics.once(parts, i);
        const names = [...metrics.all.keys()];
        expect([...metrics.all.values()].flat().map(({ value }) => value)).toEqual(all.map((_, i) => i));
        for (const one of names) for (const other of names) expect(other.startsWith(`${one}/`)).toBe(false);
      }),
    );
  });

  it('of a federated training are those of each site: no name has a step twice, which no database takes', () => {
    const metrics = new TrackedMetrics();
    const lines = [0, 10].flatMap(step =>
      [0, 1].map(site => ({ step, loss: 1, learningRate: 0.1, terms: { a: 2 }, site })),
    );
    addTraining(metrics, lines);
    const names = ['loss', 'learning rate', 'terms/a'];
    expect([...metrics.all.keys()].toSorted()).toEqual(
      names.flatMap(name => [`${name}/site 0`, `${name}/site 1`]).toSorted(),
    );
    for (const points of metrics.all.values()) expect(points.map(({ step }) => step)).toEqual([0, 10]);
  });
});
