/** Of the settings that a search found, the one that is worth what it costs. */
import { printable, SutureError } from '../../../ir/errors.ts';
import { worthOf } from '../select.ts';
import { percent, tolerance } from '../verdict.ts';
import type { Search, SearchPoint } from './search.ts';

/**
 * Of what the budget allows and that has at most 1 % less than the best score at home there, what scores best under shift; without stress
 * sets, the best at home. Of equal ones the cheapest. It is the rule of `judge` for scores alone, without their intervals.
 *
 * @param budget the highest cost.
 * @throws SutureError `option-invalid` where nothing is as cheap.
 */
export function bestWithin(
  { front, higherIsBetter }: Pick<Search, 'front' | 'higherIsBetter'>,
  budget: number,
): SearchPoint {
  const worth = worthOf(higherIsBetter);
  const affordable = front.filter(({ cost }) => cost <= budget + 1e-9);
  const first = (from: readonly SearchPoint[], worthOf: (p: SearchPoint) => number): SearchPoint =>
    from.reduce((p, q) => (worthOf(q) > worthOf(p) || (worthOf(q) === worthOf(p) && q.cost < p.cost) ? q : p));
  if (affordable.length === 0) {
    const [cheapest] = front;
    const text = cheapest
      ? `the cheapest that was found, ${printable(cheapest.name)}, costs ${percent(cheapest.cost)}`
      : 'nothing was found at all';
    throw new SutureError(
      'option-invalid',
      `Nothing costs as little as ${percent(budget)} of the output ensemble: ${text}.`,
    );
  }
  const best = first(affordable, p => worth(p.own));
  const least = worth(best.own) - tolerance * Math.abs(best.own);
  const eligible = affordable.filter(p => worth(p.own) >= least);
  return first(eligible, p => worth(p.shift ?? p.own));
}
