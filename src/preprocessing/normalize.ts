/** Intensities as nnU-Net normalises them, one channel at a time and in place. */
import { printable, SutureError } from '../../ir/errors.ts';
import type { Normalization } from './plans.ts';

/** What nnU-Net divides by at least. */
const least = 1e-8;

/** @param mask 1 where a place counts, for schemes that look at the case and are masked. */
export function normalize(
  channel: Float32Array,
  { scheme, masked, foreground }: Normalization,
  mask: Uint8Array | undefined,
  source: string,
): void {
  switch (scheme) {
    case 'ZScoreNormalization':
      standardize(channel, masked ? mask : undefined);
      return;
    case 'CTNormalization': {
      const { mean, std, low, high } = foreground!;
      const scale = Math.max(std, least);
      for (let i = 0; i < channel.length; i++) channel[i] = (Math.min(Math.max(channel[i], low), high) - mean) / scale;
      return;
    }
    case 'NoNormalization':
      return;
    case 'RescaleTo01Normalization': {
      const [low, high] = rangeOf(channel);
      const scale = Math.max(high - low, least);
      for (let i = 0; i < channel.length; i++) channel[i] = (channel[i] - low) / scale;
      return;
    }
    case 'RGBTo01Normalization': {
      const [low, high] = rangeOf(channel);
      if (low < 0 || high > 255) {
        throw new SutureError(
          'data-invalid',
          `${printable(source)}: intensities are from ${low} to ${high}, and the plans take them for colours from 0 to 255 (${scheme}).`,
        );
      }
      for (let i = 0; i < channel.length; i++) channel[i] /= 255;
      return;
    }
    default:
      scheme satisfies never;
  }
}

/** Zero mean and unit variance of what counts; what does not stays as it is. */
function standardize(channel: Float32Array, mask: Uint8Array | undefined): void {
  let [count, sum] = [0, 0];
  for (let i = 0; i < channel.length; i++) {
    if (mask && mask[i] === 0) continue;
    count++;
    sum += channel[i];
  }
  if (count === 0) return;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < channel.length; i++) if (mask?.[i] !== 0) squares += (channel[i] - mean) ** 2;
  const scale = Math.max(Math.sqrt(squares / count), least);
  for (let i = 0; i < channel.length; i++) if (mask?.[i] !== 0) channel[i] = (channel[i] - mean) / scale;
}

export function rangeOf(values: Float32Array): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
