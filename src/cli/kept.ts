/** Where runs were kept for other programs. */
import type { ReportFile } from '../api/report.ts';
import type { Terminal } from './terminal.ts';

export function showKept(
  { mlflow, tensorboard }: Pick<ReportFile, 'mlflow' | 'tensorboard'>,
  terminal: Terminal,
): void {
  if (mlflow !== undefined) {
    const command = '`MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri`';
    terminal.wrote(mlflow, `the store of MLflow, which ${command} with it shows`);
  }
  if (tensorboard !== undefined) {
    terminal.wrote(tensorboard, 'the folder of TensorBoard, which `tensorboard --logdir` with it shows');
  }
}
