import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, tensor } from '../../ir/index.ts';
import { type ClassMap, mapClasses, type OutputMeaning } from '../../passes/index.ts';
import { runOrt } from './ort.ts';

const meaningOf = (
  kind: OutputMeaning['kind'],
  channels: number,
  activation: OutputMeaning['activation'] = 'softmax',
): OutputMeaning => ({ kind, activation, channelAxis: 1, channels });

const network = (channels: number) => {
  const to = new GraphBuilder('network');
  const x = to.input('x', { dtype: 'float32', shape: [1, channels, 2] });
  const said = to.op('Neg', [x]);
  to.output('said', said);
  // What the output is made of is read elsewhere too.
  to.output('more', to.op('Neg', [said]));
  return to.build();
};

/** What the mapped network gives for one image of two places, [count][2]; the image is what the network says. */
async function given(said: readonly number[], meaning: OutputMeaning, classes: ClassMap, count: number) {
  const x = tensor(
    'float32',
    [1, classes.length, 2],
    Float32Array.from(said, v => -v),
  );
  const mapped = mapClasses(network(classes.length), meaning, classes, count);
  const found = await runOrt(mapped, { x });
  expect([...found.more.data]).toEqual([...x.data]);
  return Array.from({ length: count }, (_, k) => [...found.said.data.slice(2 * k, 2 * k + 2)]);
}

const softmax = (channels: readonly number[]): number[] => {
  const all = channels.map(Math.exp);
  const sum = all.reduce((p, q) => p + q, 0);
  return all.map(v => v / sum);
};

describe('a network whose classes are in another order', () => {
  it('leaves a network as it is where nothing changes', () => {
    const graph = network(3);
    expect(mapClasses(graph, meaningOf('logits', 3), [0, 1, 2], 3)).toBe(graph);
  });

  it('has them in the other order', async () => {
    const found = await given([1, 2, 3, 4, 5, 6], meaningOf('logits', 3), [0, 2, 1], 3);
    expect(found).toEqual([
      [1, 2],
      [5, 6],
      [3, 4],
    ]);
  });

  it('has the larger of two regions that are one, and never one that it has not', async () => {
    const found = await given([1, 2, 3, -4, 5, 6], meaningOf('logits', 3, 'sigmoid'), [0, 0, 2], 3);
    expect(found).toEqual([
      [3, 2],
      [-10000, -10000],
      [5, 6],
    ]);
  });

  it('says of every class what its own channels say of it', async () => {
    const maps = fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 4 })).chain(([from, count]) =>
      fc.record({
        count: fc.constant(count),
        classes: fc
          .array(fc.option(fc.nat(count - 1), { freq: 4 }), { minLength: from, maxLength: from })
          .filter(found => found.some(to => to !== null)),
        said: fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 2 * from, maxLength: 2 * from }),
        kind: fc.constantFrom('logits' as const, 'probabilities' as const),
      }),
    );
    await fc.assert(
      fc.asyncProperty(maps, async ({ count, classes, said, kind }) => {
        const logits = [0, 1].map(place => classes.map((_, k) => said[2 * k + place]));
        const spoken = kind === 'logits' ? logits : logits.map(softmax);
        const flat = classes.flatMap((_, k) => [spoken[0][k], spoken[1][k]]);
        const found = await given(flat, meaningOf(kind, classes.length), classes, count);
        for (const [place, probabilities] of logits.map(softmax).entries()) {
          const wanted = Array.from({ length: count }, (_, of) =>
            probabilities.reduce((sum, p, from) => sum + (classes[from] === of ? p : 0), 0),
          );
          const kept = wanted.reduce((p, q) => p + q, 0);
          const column = found.map(channel => channel[place]);
          const all = kind === 'logits' ? softmax(column) : column.map(p => p / kept);
          for (const [of, p] of all.entries()) expect(p).toBeCloseTo(wanted[of] / kept, 4);
        }
      }),
      { numRuns: 40 },
    );
  });
});
