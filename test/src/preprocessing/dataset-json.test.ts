import { describe, expect, it } from 'vitest';
import { datasetDocument, datasetNames, decisionFor } from '../../../src/preprocessing/dataset-json.ts';

const names = (labels: object, more: object = {}) =>
  datasetNames({ channel_names: { 1: 'T2', 0: 'T1' }, labels, numTraining: 3, ...more }, 'dataset.json');

const classes = { background: 0, spleen: 2, liver: 1, ignore: 3 };
const regions = { background: 0, whole: [1, 2, 3], core: [2, 3], rest: 3 };

describe('dataset.json', () => {
  it('names channels in their order, and labels', () => {
    expect(names(classes)).toEqual({ channels: ['T1', 'T2'], labels: classes });
    expect(datasetNames({ modality: { 0: 'CT' }, labels: { background: '0', liver: '1' } }, 'x')).toEqual({
      channels: ['CT'],
      labels: { background: 0, liver: 1 },
    });
  });

  it('comes back from the document that is made of it', () => {
    const read = names(regions, { regions_class_order: [1, 2, 3] });
    expect(datasetNames(JSON.parse(JSON.stringify(datasetDocument(read))), 'x')).toEqual(read);
  });

  it('is refused with what is missing', () => {
    expect(() => datasetNames({ channel_names: {} }, 'dataset.json')).toThrow(/must have "labels".*see to "labels"/);
    expect(() => names({ liver: 'one' })).toThrow(/see to "labels.liver"/);
  });
});

describe('labels made of what a network says', () => {
  const softmax = { channels: 3, regions: false, threshold: 0 };
  const sigmoid = { channels: 3, regions: true, threshold: 0.5 };

  it('are the values of classes in ascending order, without what is ignored', () => {
    expect(decisionFor(names(classes), softmax, 'network')).toEqual({ kind: 'classes', values: [0, 1, 2] });
  });

  it('are those that regions give their places, in the order of the network', () => {
    const order = { regions_class_order: [1, 2, 3] };
    expect(decisionFor(names(regions, order), sigmoid, 'network')).toEqual({
      ...{ kind: 'regions', values: [1, 2, 3], threshold: 0.5 },
    });
  });

  it('are numbers where nothing is named', () => {
    expect(decisionFor(undefined, softmax, 'network')).toMatchObject({ values: [0, 1, 2] });
    expect(decisionFor(undefined, { ...sigmoid, channels: 1 }, 'network')).toMatchObject({ values: [1] });
  });

  it('are refused where the names are of another task', () => {
    expect(() => decisionFor(names(classes), { ...softmax, channels: 4 }, 'network')).toThrow(
      /network gives 4 channels, and dataset.json names 3 classes/,
    );
    expect(() => decisionFor(names(regions), sigmoid, 'network')).toThrow(/no "regions_class_order"/);
    const order = { regions_class_order: [1, 2] };
    expect(() => decisionFor(names(regions, order), sigmoid, 'network')).toThrow(/names 2 regions/);
  });
});
