/**
 * Changes of one image [C, spatial...] that leave its labels what they are: what another scanner, stain or protocol does to it. They are
 * those that nnU-Net trains with (Isensee et al., Nature Methods 18, 2021), and bias fields and texture. `docs/shift.md` has their formulae.
 *
 * Images are floats on any scale: strengths are relative to each channel's own range or standard deviation, and a constant channel stays
 * as it is but for brightness. Factors and signs are drawn for each channel, as nnU-Net does; blur, resolution, bias field and texture
 * come from one optical path or coil and are the same in all.
 */
import type { Random } from '../random.ts';
import { type Statistics, smoothField, statisticsOf, textureField } from './fields.ts';
import { gaussianBlur, lowResolution } from './filters.ts';

export const changeNames = [
  'brightness',
  'contrast',
  'offset',
  'gamma',
  'inverted-gamma',
  'bias-field',
  'texture',
  'gaussian-blur',
  'gaussian-noise',
  'low-resolution',
] as const;
export type ChangeName = (typeof changeNames)[number];

/** One change with its strength. Strength 0 changes nothing. */
export interface Step {
  readonly name: ChangeName;
  readonly strength: number;
}

/** A change of an image: steps one after the other. */
export interface Change {
  readonly name: string;
  readonly steps: readonly Step[];
  /**
   * The changed image; the one given stays as it is.
   *
   * @param image finite, in C order.
   * @param shape [C, spatial...].
   * @param random what is drawn is drawn from it.
   */
  apply(image: Float32Array, shape: readonly number[], random: Random): Float32Array<ArrayBuffer>;
}

/** An image that is being changed, channel by channel. */
interface Work {
  readonly channels: readonly Float32Array[];
  readonly spatial: readonly number[];
  readonly random: Random;
}

/** 2^strength or 2^−strength, as chance decides: strengths of factors and exponents count in octaves. */
const octaves = (strength: number, random: Random): number => 2 ** (random.float() < 0.5 ? strength : -strength);

/** Gives a channel back the mean and the standard deviation that it had. */
function retain(channel: Float32Array, { mean, deviation }: Statistics): void {
  const now = statisticsOf(channel);
  const factor = now.deviation > 0 ? deviation / now.deviation : 0;
  for (let i = 0; i < channel.length; i++) channel[i] = (channel[i] - now.mean) * factor + mean;
}

/** The part of its range at which a value lies, to the power of an exponent; mean and deviation are retained. */
function power(channel: Float32Array, exponent: number, inverted: boolean): void {
  const before = statisticsOf(channel);
  const { least, most, deviation } = before;
  if (deviation === 0) return;
  const range = most - least;
  for (let i = 0; i < channel.length; i++) {
    const part = (channel[i] - least) / range;
    channel[i] = inverted ? 1 - (1 - part) ** exponent : part ** exponent;
  }
  retain(channel, before);
}

/**
 * How far below a channel's darkest pixel no signal lies, in standard deviations: at most. A normalised image does not say where, and a
 * gain acts on all that lies above it, dark background too.
 */
const pedestal = 3;

/** How far texture is correlated, in pixels: from and to. */
const grains = [0.7, 4] as const;

const rules: { readonly [N in ChangeName]: (work: Work, strength: number) => void } = {
  brightness({ channels, random }, strength) {
    for (const channel of channels) {
      const factor = octaves(strength, random);
      for (let i = 0; i < channel.length; i++) channel[i] *= factor;
    }
  },

  contrast({ channels, random }, strength) {
    for (const channel of channels) {
      const factor = octaves(strength, random);
      const { mean } = statisticsOf(channel);
      for (let i = 0; i < channel.length; i++) channel[i] = (channel[i] - mean) * factor + mean;
    }
  },

  offset({ channels, random }, strength) {
    for (const channel of channels) {
      const by = (random.float() < 0.5 ? strength : -strength) * statisticsOf(channel).deviation;
      for (let i = 0; i < channel.length; i++) channel[i] += by;
    }
  },

  gamma({ channels, random }, strength) {
    for (const channel of channels) power(channel, octaves(strength, random), false);
  },

  'inverted-gamma'({ channels, random }, strength) {
    for (const channel of channels) power(channel, octaves(strength, random), true);
  },

  'bias-field'({ channels, spatial, random }, strength) {
    const gain = smoothField(spatial, random);
    for (let i = 0; i < gain.length; i++) gain[i] = Math.exp(strength * gain[i]);
    const below = random.uniform(0, pedestal);
    for (const channel of channels) {
      const before = statisticsOf(channel);
      const { least, deviation } = before;
      if (deviation === 0) continue;
      const dark = least / deviation - below;
      for (let i = 0; i < channel.length; i++) channel[i] = (channel[i] / deviation - dark) * gain[i];
      retain(channel, before);
    }
  },

  texture({ channels, spatial, random }, strength) {
    const [fine, coarse] = grains;
    const field = textureField(spatial, fine * (coarse / fine) ** random.float(), random);
    for (const channel of channels) {
      const before = statisticsOf(channel);
      const { mean, deviation } = before;
      if (deviation === 0) continue;
      for (let i = 0; i < channel.length; i++) channel[i] = (channel[i] - mean) / deviation + strength * field[i];
      retain(channel, before);
    }
  },

  'gaussian-blur'({ channels, spatial }, strength) {
    for (const channel of channels) gaussianBlur(channel, spatial, strength);
  },

  'gaussian-noise'({ channels, random }, strength) {
    for (const channel of channels) {
      const amplitude = strength * statisticsOf(channel).deviation;
      const noise = random.normals(channel.length);
      for (let i = 0; i < channel.length; i++) channel[i] += amplitude * noise[i];
    }
  },

  'low-resolution'({ channels, spatial }, strength) {
    for (const channel of channels) lowResolution(channel, spatial, 2 ** -strength);
  },
};

const largest = (2 - 2 ** -23) * 2 ** 127;

function apply(
  steps: readonly Step[],
  image: Float32Array,
  [count, ...spatial]: readonly number[],
  random: Random,
): Float32Array<ArrayBuffer> {
  const changed = new Float32Array(image);
  const size = changed.length / count;
  const channels = Array.from({ length: count }, (_, c) => changed.subarray(c * size, (c + 1) * size));
  for (const { name, strength } of steps) {
    if (strength === 0) continue;
    rules[name]({ channels, spatial, random }, strength);
    // Images on a scale near float32's end stay finite.
    for (let i = 0; i < changed.length; i++) {
      const value = changed[i];
      if (value > largest) changed[i] = largest;
      else if (value < -largest) changed[i] = -largest;
    }
  }
  return changed;
}

/** Steps one after the other, under one name. */
export const composed = (name: string, steps: readonly Step[]): Change => ({
  name,
  steps,
  apply: (image, shape, random) => apply(steps, image, shape, random),
});
