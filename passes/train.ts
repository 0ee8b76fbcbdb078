/** Training graphs: the losses, their gradients, the optimiser. */
export { type ClosingFit, closingFit, lastStitches } from './train/closing.ts';
export {
  answering,
  answersOutput,
  type Distillation,
  type DistillationOptions,
  distillation,
} from './train/distill.ts';
export { freshWeights } from './train/fresh.ts';
export { type DiceOver, diceOvers, type LossGraph, type LossTerm, taskLoss } from './train/losses.ts';
export {
  type DirectOptions,
  type DoubleBatchOptions,
  directMatching,
  doubleBatch,
  labelsInput,
  type TaskLossOptions,
  taskMatching,
} from './train/methods.ts';
export {
  type AdamWOptions,
  type OptimizerOptions,
  polynomialDecay,
  type SgdOptions,
  type TrainingStep,
  trainingStep,
} from './train/optimizer.ts';
export { type FitStage, fitStages } from './train/sequential.ts';
export { type SwitchMode, type SwitchModes, settingInput, sourcesInput } from './train/streams.ts';
export { closeWeights, type OpenNetwork, type OpenOptions, openWeights, type Role } from './train/weights.ts';
