import * as v from 'valibot';
import { expect, it } from 'vitest';
import { budget, strength } from '../../../src/options/kinds.ts';

it('a strength is refused where it leaves nothing of an image', () => {
  const takes = (text: string): boolean => v.safeParse(strength.schema, strength.read(text)).success;
  expect(['on', 'off', '0', '0.5', '10'].map(takes)).toEqual([true, true, true, true, true]);
  expect(['10.5', '1e30', 'Infinity', '-1', 'much', ''].map(takes)).toEqual([false, false, false, false, false, false]);
});

it('a budget is a share, with its % where it has one', () => {
  expect(['65%', '0.65', '200%', '2', '1000%'].map(text => budget.read(text))).toEqual([0.65, 0.65, 2, 2, 10]);
  const takes = (text: string): boolean => v.safeParse(budget.schema, budget.read(text)).success;
  expect(['65', '200', '0%', '-5%', '65 percent', ''].map(takes)).toEqual([false, false, false, false, false, false]);
});
