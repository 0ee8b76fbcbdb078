/** A study that there is not: some sites, two seeds, and cells of which one failed. */
import { Random } from '../../../src/data/random.ts';
import type { Cell } from '../../../src/study/cells.ts';
import type { CellRecord, CellResult, CellState } from '../../../src/study/folder.ts';
import type { StudyPageParts } from '../../../src/study/page.ts';
import { studyReportOf } from '../../../src/study/report.ts';
import { methods, parseStudy } from '../../../src/study/request.ts';

export const hostile = `"><script>alert('x')</script><img src=x onerror="alert('y')">`;

/** Of four sites, which are nearly 300 cells, or of those that are named. */
export function inventedStudy(names: readonly string[] = ['a', 'b', 'c', 'd']): StudyPageParts {
  const random = Random.seeded(1, 'study');
  const score = (): number => Math.max(0, Math.min(1, 0.85 + 0.06 * random.normal()));
  const site = (name: string) => ({ name, train: 'train.npz', validation: 'val.npz', test: 'test.npz' });
  const request = parseStudy(
    JSON.stringify({ sites: names.map(site), architecture: hostile, seeds: [0, 1] }),
    '/studies/STUDY.json',
  );
  const tests = (of: readonly string[], references: readonly string[]): CellResult['tests'] =>
    of.map(name => ({
      ...{ site: name, value: score(), pooled: score() },
      classes: [1, 2].map(k => ({ name: k === 1 ? hostile : `class ${k}`, mean: score() })),
      against: references.map(network => {
        const value = 0.05 * random.normal();
        const difference = { value, low: value - 0.02, high: value + 0.02, groups: 40 };
        return { network, ...difference, classes: [difference, difference] };
      }),
    }));
  const resultOf = ({ kind, sites }: Cell): CellResult => {
    const common = { metric: 'dice' as const, higherIsBetter: true };
    if (kind !== 'run' && kind !== 'direct' && kind !== 'all')
      return {
        ...common,
        ...(kind === 'stitched' && { note: 'position 7, by rule 1' }),
        tests: kind === 'alone' ? tests(names, []) : tests(sites, [...sites.map(name => `alone ${name}`), 'ensemble']),
      };
    const curve = Array.from({ length: 12 }, (_, i) => ({ count: i + 1, value: score() }));
    const positions = Array.from({ length: 60 }, (_, position) => ({
      ...{ position, depth: position / 59, validation: score() },
      tests: Object.fromEntries(sites.map(name => [name, score()])),
    }));
    return { ...common, curve, ...(kind === 'run' && { positions }) };
  };
  const pairs = names.flatMap(own => names.filter(name => name !== own).map(partner => [own, partner]));
  const kinds = ['run', 'direct', 'all', ...methods.filter(method => method !== 'alone')] as const;
  const cells: readonly Cell[] = [0, 1].flatMap(seed => [
    ...names.map((name): Cell => ({ key: `alone-${name}-s${seed}`, kind: 'alone', sites: [name], seed, needs: [] })),
    ...pairs.flatMap(sites =>
      kinds.map((kind): Cell => ({ key: `${kind}-${sites.join('-')}-s${seed}`, kind, sites, seed, needs: [] })),
    ),
  ]);
  const states = cells.map((cell): CellState => {
    const status = cell.key === 'trunk-a-b-s0' ? 'failed' : 'done';
    const ended = status === 'failed' ? { error: hostile } : { result: resultOf(cell) };
    const record: CellRecord = {
      ...{ format: 'suture-cell', version: 1, status, seconds: random.uniform(1, 600), peakBytes: 2 ** 30 },
      ...{ ...cell, sites: [...cell.sites], needs: [] },
      ...ended,
    };
    return { cell, status, record };
  });
  const trainings = cells.map(cell => ({
    cell,
    lines: Array.from({ length: 151 }, (_, i) => ({ step: 10 * i, loss: 0.2 + 1 / (1 + i), site: i % 2 })),
  }));
  const pages = cells.flatMap(cell =>
    cell.kind === 'run' ? [{ cell, path: `cells/${cell.key}/run/report.html` }] : [],
  );
  return { path: '/studies/DIR', request, states, report: studyReportOf(request, states), trainings, pages };
}
