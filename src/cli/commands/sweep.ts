import { Command } from 'commander';
import { type ExecutorChoice, type Sweep, select, sweepRun } from '../../index.ts';
import { batchOption, executorOption, jsonOption } from '../options.ts';
import type { Context } from '../program.ts';
import { metricTitle } from '../scores.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

interface Flags {
  readonly data: string;
  readonly executor: ExecutorChoice;
  readonly batch?: number;
}

export const sweepCommand = ({ terminal, signal }: Context): Command =>
  new Command('sweep')
    .description('score every position of a run on validation data')
    .argument('<run>', 'a run directory')
    .requiredOption('--data <file>', 'an .npz file with images and labels, and folds for rule 2')
    .addOption(executorOption())
    .addOption(batchOption())
    .addOption(jsonOption())
    .action(async (run: string, { data, ...flags }: Flags) => {
      const result = await sweepRun(run, data, { ...flags, signal, onProgress: terminal.progress });
      terminal.result(result, () => showSweep(result, terminal));
    });

/** The table of all positions, the chosen ones marked. */
export function showSweep(sweep: Sweep, terminal: Terminal): void {
  const { positions, references, folds, metric, higherIsBetter } = sweep;
  const chosen = new Map<number, string>([[select(positions, 1, higherIsBetter).position, 'rule 1']]);
  if (folds.length > 1) {
    const { position } = select(positions, 2, higherIsBetter);
    chosen.set(position, [chosen.get(position), 'rule 2'].filter(Boolean).join(', '));
  }
  terminal.heading(`${metricTitle[metric]} on ${name(sweep.data.source)}, ${sweep.data.images} images`);
  terminal.line();
  const foldColumns = folds.map(f => `fold ${f}`);
  terminal.table(
    ['position', 'at', 'score', ...(metric === 'dice' ? ['pooled'] : []), ...foldColumns, 'a', ''],
    [
      ...references.map(r => [r.name, '', r]),
      ...positions.map(p => [p.position, fixed((p.positionA + p.positionB) / 2, 2), p]),
    ].map(([label, at, row]) => {
      const scored = row as Sweep['positions'][number] | Sweep['references'][number];
      const isPosition = 'position' in scored;
      return [
        String(label),
        String(at),
        fixed(scored.value),
        ...(metric === 'dice' ? [fixed(scored.pooled)] : []),
        ...scored.folds.map(f => fixed(f)),
        isPosition ? name(scored.a, 48) : '',
        isPosition ? (chosen.get(scored.position) ?? '') : '',
      ];
    }),
  );
  if (folds.length < 2) terminal.line('\nThe data has no folds: only rule 1 can choose.');
}
