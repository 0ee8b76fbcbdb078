/** The changes that networks are held against and trained under, with their strengths. */
import { product } from '../../../ir/numbers.ts';
import { type Dataset, gatherImages } from '../dataset.ts';
import { Random } from '../random.ts';
import { type Change, type ChangeName, changeNames, composed, type Step } from './changes.ts';

/** How many images are changed where nothing else is said: a suite of eight on them costs what 256 images cost. */
export const shiftImages = 32;

/** How strongly each change is applied where validation is under shift: beyond what nnU-Net trains with. */
const strengths: { readonly [N in ChangeName]: number } = {
  brightness: 1,
  contrast: 1,
  offset: 1,
  gamma: 1,
  'inverted-gamma': 1,
  'bias-field': 0.3,
  texture: 0.5,
  'gaussian-blur': 1.5,
  'gaussian-noise': 0.5,
  'low-resolution': 1.5,
};

/** A change of the suite by its name, with its documented strength or another. */
export const changeOf = (name: ChangeName, strength = strengths[name]): Change => composed(name, [{ name, strength }]);

/** Brightness and offset do to a network what contrast does. */
const besides: readonly ChangeName[] = ['brightness', 'offset'];

/** One column's worth of other sites. */
export const defaultSuite: readonly Change[] = changeNames
  .filter(name => !besides.includes(name))
  .map(name => changeOf(name));

/** How often a change is drawn, and from which strengths. */
const draws: { readonly [N in ChangeName]: readonly [chance: number, least: number, most: number] } = {
  gamma: [0.4, 0, 1.2],
  'inverted-gamma': [0.2, 0, 1.2],
  'bias-field': [0.4, 0.1, 0.6],
  texture: [0.4, 0.1, 0.8],
  'gaussian-blur': [0.3, 0.4, 1.6],
  'gaussian-noise': [0.4, 0.05, 0.5],
  'low-resolution': [0.3, 0.3, 1.3],
  brightness: [0.2, 0, 0.5],
  contrast: [0.4, 0, 0.5],
  offset: [0.4, 0, 0.5],
};

/** A composition of random changes of random strength for one image, for training under shift. At times nothing. */
export function drawChange(random: Random): Change {
  const steps: Step[] = [];
  for (const [name, [chance, least, most]] of Object.entries(draws) as [ChangeName, (typeof draws)[ChangeName]][]) {
    // As many numbers whatever is drawn.
    const [drawn, strength] = [random.float() < chance, random.uniform(least, most)];
    if (drawn) steps.push({ name, strength });
  }
  return composed('a random change', steps);
}

/** The images of the data set that was last read of those that share it: the others' can be made again. */
interface Slot {
  of?: Dataset;
  images?: Dataset['images'];
}

function changedImages(dataset: Dataset, change: Change, seed: number): Dataset['images'] {
  const { count, images, imageShape } = dataset;
  const size = product(imageShape);
  const changedImage = (i: number): Float32Array => {
    const random = Random.seeded(seed, `${change.name} ${i}`);
    return change.apply(gatherImages(dataset, [i]), imageShape, random);
  };
  // What memory does not hold is changed anew whenever it is read.
  if (!(images instanceof Float32Array)) {
    return { length: images.length, read: (target, from) => target.set(changedImage(from / size)) };
  }
  const changed = new Float32Array(images.length);
  for (let i = 0; i < count; i++) changed.set(changedImage(i), i * size);
  return changed;
}

/**
 * A data set under each of some changes: labels, ids, groups and folds stay. What is drawn for an image depends on the seed, the change's
 * name and the image's number alone. Images are made when they are asked for, and of one of the data sets at a time.
 */
export function shiftedDatasets(dataset: Dataset, changes: readonly Change[], seed: number): readonly Dataset[] {
  const slot: Slot = {};
  return changes.map(change => {
    const { images: _, ...rest } = dataset;
    const shifted: Dataset = {
      ...rest,
      source: `${dataset.source} under ${change.name.replaceAll('-', ' ')}`,
      get images() {
        if (slot.of !== shifted || !slot.images) {
          slot.images = changedImages(dataset, change, seed);
          slot.of = shifted;
        }
        return slot.images;
      },
    };
    return shifted;
  });
}
