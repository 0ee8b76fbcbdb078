import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { eventsName, eventsOf } from '../../../src/report/tensorboard.ts';
import { TrackedMetrics, type TrackedRun } from '../../../src/report/tracked.ts';

it('writes the events of a run byte for byte as TensorBoard does', () => {
  const metrics = new TrackedMetrics();
  metrics.add(
    ['loss'],
    [
      { step: 0, value: 48.011192321777344 },
      { step: 10, value: 1e-9 },
      { step: 20, value: Number.NaN },
      { step: 4000, value: 0 },
    ],
  );
  metrics.add(['a', 'less ensemble'], [{ step: 5e9, value: -0.1 }]);
  const run: TrackedRun = {
    ...{ id: '', name: '', status: 'finished', begun: 1_700_000_000_125, ended: 1_700_000_060_500 },
    metrics: metrics.all,
    parameters: { data: 'A | B\nüber.npz', steps: '300' },
    tags: { 'suture.cell': 'run' },
    note: 'x'.repeat(300),
  };
  const written = readFileSync('fixtures/events.tfevents');
  expect(Buffer.from(eventsOf(run)).toString('hex')).toBe(written.toString('hex'));
  expect(eventsName(run)).toBe('events.out.tfevents.1700000000.suture');
});
