/** A partner's classes found by name: the map, what is left out, and that mapping there and back changes nothing. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, tensor } from '../../../ir/index.ts';
import { type ClassMap, mapClasses, type OutputMeaning } from '../../../passes/index.ts';
import { classesByName, leftOutTexts, type NetworkClasses, readClassNames } from '../../../src/network/class-names.ts';
import type { DatasetNames } from '../../../src/preprocessing/dataset-json.ts';
import { runOrt } from '../../passes/ort.ts';
import { scratch } from '../cli/support.ts';

const meaningOf = (channels: number, activation: 'softmax' | 'sigmoid' = 'softmax'): OutputMeaning => ({
  ...{ kind: 'logits', activation, channelAxis: 1, channels },
});

const classes = (labels: DatasetNames['labels'], role: string): NetworkClasses => ({
  names: { channels: ['CT'], labels },
  meaning: meaningOf(Object.keys(labels).filter(name => name !== 'ignore').length),
  role,
});

const regions = (labels: DatasetNames['labels'], role: string): NetworkClasses => ({
  names: {
    channels: ['CT'],
    labels,
    regionsClassOrder: Object.keys(labels)
      .map((_, i) => i)
      .slice(1),
  },
  meaning: meaningOf(Object.keys(labels).length - 1, 'sigmoid'),
  role,
});

const own = classes({ background: 0, organ: 1, lesion: 2 }, 'parent a (A.onnx)');

describe('the classes of a partner', () => {
  it.each<[string, DatasetNames['labels'], ClassMap]>([
    ['in another order', { background: 0, lesion: 1, organ: 2 }, [0, 2, 1]],
    ['by their values, not as they are listed', { organ: 2, background: 0, lesion: 1 }, [0, 2, 1]],
    ['with one more', { background: 0, organ: 1, vessel: 2, lesion: 3 }, [0, 1, null, 2]],
    ['with one less', { background: 0, lesion: 1 }, [0, 2]],
    ['written otherwise', { Hintergrund: 0, 'LESION ': 1, 'or-gan': 2 }, [0, 2, 1]],
    ['beside places that count nowhere', { background: 0, lesion: 1, organ: 2, ignore: 3 }, [0, 2, 1]],
    ['as lists of one', { background: 0, lesion: [1], organ: [2] }, [0, 2, 1]],
  ])('are found by name: %s', (_, labels, map) => {
    expect(classesByName(own, classes(labels, 'parent b'))).toEqual(map);
  });

  it('are regions in the order of the file, where both have regions', () => {
    const ours = regions({ background: 0, whole: [1, 2, 3], core: [2, 3], enhancing: 3 }, 'parent a');
    const theirs = regions({ background: 0, enhancing: 3, oedema: 2, whole: [1, 2, 3] }, 'parent b');
    expect(classesByName(ours, theirs)).toEqual([2, null, 0]);
    expect(leftOutTexts([2, null, 0], theirs)).toEqual([
      'parent b has oedema, which the own network has not: left out, as by 2,-,0; what it says of them is lost.',
    ]);
  });

  it('that the own network has not are named, with the map by numbers', () => {
    const theirs = classes({ background: 0, organ: 1, vessel: 2, duct: 3 }, 'parent b');
    expect(leftOutTexts(classesByName(own, theirs), theirs)).toEqual([
      'parent b has vessel, duct, which the own network has not: left out, as by 0,1,-,-; what it gives them is shared out among the others ' +
        '(0 instead of - takes them for background).',
    ]);
    expect(leftOutTexts([0, 1, 2], own)).toEqual([]);
  });

  it.each<[string, NetworkClasses, NetworkClasses, string]>([
    [
      'regions for classes',
      own,
      regions({ background: 0, organ: [1, 2], lesion: 2 }, 'parent b'),
      'parent a (A.onnx) gives logits of 3 classes (softmax), parent b gives logits of 2 regions (sigmoid), and no map makes regions of classes',
    ],
    [
      'regions in the data set of a network of classes',
      own,
      { ...classes({ background: 0, organ: [1, 2], lesion: 2 }, 'parent b') },
      'its data set has regions, and parent b gives logits of 3 classes (softmax); say --activation sigmoid',
    ],
    [
      'another number of channels',
      own,
      { ...classes({ background: 0, organ: 1 }, 'parent b'), meaning: meaningOf(3) },
      'dataset.json names 2 (background, organ), and parent b has 3 channels',
    ],
    [
      'no name in common',
      own,
      classes({ background: 0, kidney: 1 }, 'parent b'),
      'none of background, kidney is one of the own background, organ, lesion; say it by numbers',
    ],
    [
      'two of one name',
      own,
      classes({ background: 0, Organ: 1, organ: 2 }, 'parent b'),
      'two of parent b are called "organ", but for case and blanks',
    ],
  ])('are refused in words: %s', (_, ours, theirs, problem) => {
    expect(() => classesByName(ours, theirs)).toThrow(
      `The classes of ${theirs.role} cannot be found by name: ${problem}`,
    );
  });

  it('are read from a file or the folder that it is in', async () => {
    const folder = join(await scratch(), 'raw');
    await mkdir(folder);
    await writeFile(
      join(folder, 'dataset.json'),
      JSON.stringify({ channel_names: { 0: 'CT' }, labels: own.names.labels }),
    );
    for (const path of [folder, join(folder, 'dataset.json')]) {
      expect((await readClassNames(path)).labels).toEqual(own.names.labels);
    }
    await expect(readClassNames(join(folder, '0,x'))).rejects.toThrow(/there is no such file; classes are said by/);
  });
});

/** A network [1, C, 2] that says what it is shown. */
const echo = (channels: number) => {
  const to = new GraphBuilder('echo');
  const x = to.input('x', { dtype: 'float32', shape: [1, channels, 2] });
  to.output('said', to.op('Identity', [x]));
  return to.build();
};

describe('names in any order', () => {
  const orders = fc.integer({ min: 1, max: 5 }).chain(count =>
    fc.shuffledSubarray(
      Array.from({ length: count }, (_, i) => i + 1),
      { minLength: count },
    ),
  );

  it('give the channels that permuting by hand gives, and come back by the inverse map', async () => {
    await fc.assert(
      fc.asyncProperty(orders, fc.boolean(), async (order, areRegions) => {
        const names = ['liver', 'Left Kidney', 'spleen', 'portal_vein', 'duct'];
        const made = areRegions ? regions : classes;
        const ours = made(Object.fromEntries([['background', 0], ...order.map((_, i) => [names[i], i + 1])]), 'a');
        const theirs = made(
          Object.fromEntries([['background', 0], ...order.map((of, i) => [names[of - 1], i + 1])]),
          'b',
        );
        const [there, back] = [classesByName(ours, theirs), classesByName(theirs, ours)];
        const { meaning } = ours;
        const { channels } = meaning;
        const said = Float32Array.from({ length: 2 * channels }, (_, i) => Math.sin(i + 1));
        const x = tensor('float32', [1, channels, 2], said);
        const mapped = mapClasses(echo(channels), meaning, there, channels);
        const found = (await runOrt(mapped, { x })).said.data;
        // Their i-th foreground channel is our order[i]-th.
        const first = areRegions ? 0 : 1;
        const byHand = Array.from({ length: channels }, (_, of) =>
          of < first ? of : order.indexOf(of - first + 1) + first,
        ).flatMap(from => [said[2 * from], said[2 * from + 1]]);
        expect([...found]).toEqual(byHand);
        const returned = (await runOrt(mapClasses(mapped, meaning, back, channels), { x })).said.data;
        expect([...returned]).toEqual([...said]);
      }),
      { numRuns: 20 },
    );
  });
});
