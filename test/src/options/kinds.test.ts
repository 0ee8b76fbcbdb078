import * as v from 'valibot';
import { expect, it } from 'vitest';
import { strength } from '../../../src/options/kinds.ts';

it('a strength is refused where it leaves nothing of an image', () => {
  const takes = (text: string): boolean => v.safeParse(strength.schema, strength.read(text)).success;
  expect(['on', 'off', '0', '0.5', '10'].map(takes)).toEqual([true, true, true, true, true]);
  expect(['10.5', '1e30', 'Infinity', '-1', 'much', ''].map(takes)).toEqual([false, false, false, false, false, false]);
});
