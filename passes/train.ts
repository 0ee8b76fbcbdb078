/** Training graphs: the losses, their gradients, the optimiser. */
export { type LossGraph, type LossTerm, type Task, taskLoss } from './train/losses.ts';
export {
  type DirectOptions,
  type DoubleBatchOptions,
  directMatching,
  doubleBatch,
  labelsInput,
  type TaskLossOptions,
  taskMatching,
} from './train/methods.ts';
export { type OptimizerOptions, type TrainingStep, trainingStep } from './train/optimizer.ts';
export type { SwitchMode, SwitchModes } from './train/streams.ts';
