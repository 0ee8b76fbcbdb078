/** Where runs were kept for other programs. */
import type { ReportFile } from '../api/report.ts';
import { name, type Terminal } from './terminal.ts';

export function showKept(
  { mlflow, tensorboard }: Pick<ReportFile, 'mlflow' | 'tensorboard'>,
  terminal: Terminal,
): void {
  if (mlflow !== undefined) {
    const command = '`MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri`';
    terminal.line(`${name(mlflow)}: ${command} with the store shows it.`);
  }
  if (tensorboard !== undefined) terminal.line(`${name(tensorboard)}: \`tensorboard --logdir\` with it shows it.`);
}
