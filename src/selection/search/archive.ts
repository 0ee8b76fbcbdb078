/** The settings that no other found surpasses. */
import { dominates, type Point, paretoSet } from '../front.ts';

/** What was found of a setting. */
export interface Found<T> {
  readonly item: T;
  readonly point: Point;
}

/** An elitist archive: a Pareto set that grows. Of settings with equal scores it keeps the first. */
export class Archive<T> {
  #held: Found<T>[] = [];

  get held(): readonly Found<T>[] {
    return this.#held;
  }

  /** Takes a setting in where none that is held is as good. Returns whether it did. */
  add(item: T, point: Point): boolean {
    const isNew = !this.#held.some(({ point: other }) => dominates(other, point) || same(other, point));
    if (!isNew || !point.some(Number.isFinite)) return false;
    const all = [...this.#held, { item, point }];
    this.#held = paretoSet(all.map(found => found.point)).map(i => all[i]);
    return true;
  }
}

const same = (p: Point, q: Point): boolean => p.every((v, i) => v === q[i]);
