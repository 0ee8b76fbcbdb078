/** Training graphs: the losses, their gradients, the optimiser. */
export { type ClosingFit, closingFit, lastStitches } from './train/closing.ts';
export { type LossGraph, type LossTerm, taskLoss } from './train/losses.ts';
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
export { type FitStage, fitStages } from './train/sequential.ts';
export { type SwitchMode, type SwitchModes, settingInput, sourcesInput } from './train/streams.ts';
