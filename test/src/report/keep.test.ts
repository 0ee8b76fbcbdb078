/** Runs in the stores of other programs, which hold what is not ours too. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { keepForTensorBoard, keepInMlflow } from '../../../src/report/keep.ts';
import { TrackedMetrics, type TrackedRun } from '../../../src/report/tracked.ts';
import { shared } from '../cli/support.ts';

const folder = shared();

const run = (begun: number): TrackedRun => ({
  ...{ id: 'f00d', name: 'one', status: 'finished', begun, ended: begun + 1 },
  ...{ metrics: new TrackedMetrics().all, parameters: {}, tags: {} },
});

it('a run in MLflow stays until the one that takes its place is whole', async () => {
  const store = join(folder(), 'mlruns');
  const keep = (name: string, text: string) =>
    keepInMlflow(store, { id: '7', name: 'e', begun: 1 }, [{ run: run(1), artifacts: new Map([[name, text]]) }], {
      force: true,
    });
  const [at] = await keep('log.txt', 'first');
  await expect(keep('x'.repeat(300), 'second')).rejects.toMatchObject({ code: 'output-unwritable' });
  expect(await readFile(join(at, 'artifacts', 'log.txt'), 'utf8')).toBe('first');
  await keep('log.txt', 'third');
  expect(await readFile(join(at, 'artifacts', 'log.txt'), 'utf8')).toBe('third');
  expect((await readdir(join(store, '7'))).toSorted()).toEqual(['f00d', 'meta.yaml']);
});

it('events of other programs stay beside those of a run', async () => {
  const board = join(folder(), 'events');
  const [at] = await keepForTensorBoard(board, [run(1000)]);
  const other = 'events.out.tfevents.1700000000.host.42.0';
  await writeFile(join(at, other), 'of another');
  await keepForTensorBoard(board, [run(2000)], { force: true });
  expect((await readdir(at)).toSorted()).toEqual([other, 'events.out.tfevents.2.suture'].toSorted());
});
