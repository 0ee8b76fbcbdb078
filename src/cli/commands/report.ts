import { Command } from 'commander';
import { type ReportFile, report } from '../../api/report.ts';
import { path } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import { executor, force, json, maybeOutputPath } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { showKept } from '../kept.ts';
import { addOptions } from '../options.ts';
import { grouped, type Terminal } from '../terminal.ts';

const options = {
  output: maybeOutputPath('file', 'where the page is written, instead of report.html in the run'),
  mlflow: optional(path, 'dir', "also keep the run in this folder as MLflow's file store does"),
  tensorboard: optional(path, 'dir', 'also keep the run in this folder as TensorBoard reads it'),
  executor,
  force,
  json,
};

export const reportCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('report')
      .description('make the page that shows a run, one HTML file, again')
      .argument('<run>', 'a run directory'),
    options,
  ).action(async (run: string, flags: ValuesOf<typeof options>) => {
    const made = await report(run, { ...flags, signal, onProgress: terminal.progress });
    terminal.result(made, () => show(made, terminal));
  });

function show({ file, bytes, leftOut, ...kept }: ReportFile, terminal: Terminal): void {
  for (const text of leftOut) terminal.warning(text);
  terminal.wrote(file, `the page, ${grouped(Math.ceil(bytes / 1000))} kB, to be opened in a browser`);
  showKept(kept, terminal);
}
