/** What nnU-Net does to a case before its network sees it, and the way back. */
import { printable, SutureError } from '../../ir/errors.ts';
import { product } from '../../ir/numbers.ts';
import {
  type Box,
  boxOfNonZero,
  cropped,
  type Extents,
  filledMask,
  inOrder,
  inverseOrder,
  putBack,
  transposed,
} from './grid.ts';
import { normalize } from './normalize.ts';
import type { Plans } from './plans.ts';
import { type Change, extentsAt, resampledLabels, resampledValues } from './resample.ts';

/** An image as a file has it: of what `src/volumes` reads, what matters here. */
export interface Image {
  /** [C, z, y, x] in C order. */
  readonly data: Float32Array<ArrayBuffer>;
  readonly shape: readonly number[];
  /** In mm along z, y and x. */
  readonly spacing: readonly number[];
}

/** Where what a network sees lies in the case. */
export interface Placement {
  readonly plans: Plans;
  /** Of the file. */
  readonly original: Extents;
  /** What was left of it, in transposed axes. */
  readonly box: Box;
  /** From what was left to what the network sees. */
  readonly change: Change;
}

export interface Preprocessed {
  /** [C, ...spatial] in C order. */
  readonly data: Float32Array<ArrayBuffer>;
  readonly shape: readonly number[];
  readonly placement: Placement;
}

/**
 * Transposed, cropped to where some channel is not zero, normalised, resampled.
 *
 * @param source how messages name the case.
 * @throws SutureError `data-invalid` where the image has other channels than the plans, or intensities that these have no place for.
 */
export function preprocess(image: Image, plans: Plans, source: string): Preprocessed {
  const [count, ...original] = image.shape as [number, number, number, number];
  if (count !== plans.normalizations.length) {
    throw new SutureError(
      'data-invalid',
      `${printable(source)} has ${channelsText(count)}, and ${printable(plans.source)} says how to normalise ${plans.normalizations.length}.`,
    );
  }
  const places = product(original);
  const whole = Array.from({ length: count }, (_, c) =>
    transposed(image.data.subarray(c * places, (c + 1) * places), original, plans.transpose),
  );
  const extents = inOrder(original, plans.transpose);
  const box = boxOfNonZero(whole, extents);
  const change = changeFor(plans, box.extents, inOrder(image.spacing, plans.transpose));
  // A copy of what is left: the image stays as it is.
  const channels = whole.map(channel => cropped(channel, extents, box).slice());
  const mask = plans.normalizations.some(({ masked }) => masked) ? filledMask(channels, box.extents) : undefined;
  for (const [c, channel] of channels.entries()) normalize(channel, plans.normalizations[c], mask, source);
  const shape = [count, ...change.to];
  const data = new Float32Array(product(shape));
  for (const [c, channel] of channels.entries()) {
    const how = plans.resampling.images;
    data.set(how ? resampledValues(channel, change, how) : channel, c * product(change.to));
  }
  return { data, shape, placement: { plans, original, box, change } };
}

const channelsText = (count: number): string => `${count} channel${count === 1 ? '' : 's'}`;

/** Plans for slices leave the distance of slices as it is. */
function changeFor(plans: Plans, from: Extents, fromSpacing: readonly number[]): Change {
  const toSpacing = [...fromSpacing.slice(0, fromSpacing.length - plans.spacing.length), ...plans.spacing];
  const resampled = plans.resampling.images !== undefined;
  return { from, to: resampled ? extentsAt(from, fromSpacing, toSpacing) : from, fromSpacing, toSpacing };
}

export type LabelData = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** The labels [z, y, x] of the same case on the grid that the network sees. */
export function preprocessLabels<L extends LabelData>(labels: L, { plans, original, box, change }: Placement): L {
  const found = cropped(transposed(labels, original, plans.transpose), inOrder(original, plans.transpose), box);
  return plans.resampling.labels ? resampledLabels(found, change, plans.resampling.labels) : found;
}

/** How a label is made of what a network says at a place. */
export type Decision =
  /** The channel that says most, by the label's value. */
  | { readonly kind: 'classes'; readonly values: readonly number[] }
  /** All that say more than the threshold, the later ones over the earlier. */
  | { readonly kind: 'regions'; readonly values: readonly number[]; readonly threshold: number };

/**
 * Labels of what a network says at so many places.
 *
 * @param channel what one channel says; asked once for each, in order.
 */
export function decided(places: number, decision: Decision, channel: (index: number) => Float32Array): LabelData {
  const labels = labelsFor(decision.values, places);
  let highest: Float32Array | undefined;
  for (const [c, value] of decision.values.entries()) {
    const said = channel(c);
    if (decision.kind === 'regions') {
      for (let i = 0; i < places; i++) if (said[i] > decision.threshold) labels[i] = value;
    } else if (highest === undefined) {
      highest = said.slice();
      labels.fill(value);
    } else {
      for (let i = 0; i < places; i++) {
        if (!(said[i] > highest[i])) continue;
        highest[i] = said[i];
        labels[i] = value;
      }
    }
  }
  return labels;
}

const labelsFor = (values: readonly number[], count: number): LabelData =>
  Math.max(...values) > 255 ? new Uint16Array(count) : new Uint8Array(count);

/**
 * What a network says of a case, [C, ...spatial] on the grid that it sees, as labels in the file's own grid. Outputs are resampled as they
 * are, probabilities or logits. Outside of what the network sees the label is 0.
 */
export function restore(outputs: Float32Array<ArrayBuffer>, placement: Placement, decision: Decision): LabelData {
  const { plans, original, box, change } = placement;
  const back: Change = {
    ...{ from: change.to, to: change.from },
    ...{ fromSpacing: change.toSpacing, toSpacing: change.fromSpacing },
  };
  const places = product(back.from);
  const how = plans.resampling.outputs;
  // One channel at a time: all of them in the file's grid may be more than memory holds.
  const labels = decided(product(back.to), decision, c => {
    const channel = outputs.subarray(c * places, (c + 1) * places);
    return how ? resampledValues(channel, back, how) : channel;
  });
  const extents = inOrder(original, plans.transpose);
  return transposed(putBack(labels, extents, box), extents, inverseOrder(plans.transpose));
}
