/** The problem of training-step.ts: four 3×3 convolutions of 16 channels on images [4, 16, 64, 64], mean squared error, Adam. */
import { noise } from './timing.ts';

export const image = [4, 16, 64, 64];
export const weight = [16, 16, 3, 3];
export const layers = ['w0', 'w1', 'w2', 'w3'];
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const x = noise(sizeOf(image), 1);
export const target = noise(sizeOf(image), 2);
/** He's initialisation: numbers of variance 1 times √(2 / fan-in). */
export const weights = layers.map((_, i) => noise(sizeOf(weight), 3 + i).map(v => v * Math.sqrt(2 / (16 * 9))));
export const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
