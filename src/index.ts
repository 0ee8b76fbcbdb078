/** The public API: all that the commands can do, and the parts that they are made of. */
export * from '../ir/index.ts';
export * from '../passes/index.ts';
export {
  type AdapterChoice,
  type AdapterFacts,
  type AdapterOptions,
  type AdapterReport,
  adapterChoices,
  adapterName,
} from '../runtime/adapter/facts.ts';
export type { Executor, PrepareOptions, Profile, Session } from '../runtime/index.ts';
export { type Curve, type CurveOptions, curve, curveChart, defaultCounts, evenlySpread } from './curve.ts';
export { type Dataset, type LabelOptions, loadDataset, parseDataset } from './data/dataset.ts';
export {
  type Agreement,
  type Choice,
  compareWithFile,
  type ExportDtype,
  type ExportedNetwork,
  exportDtypes,
  exportRun,
  writeModel,
} from './deploy.ts';
export { type Diagnosis, diagnose } from './doctor.ts';
export { type EvaluateOptions, type Evaluation, type EvaluationRow, evaluate, scoreNetworks } from './evaluate.ts';
export { openExecutor, prepare, Runnable, withExecutor } from './execute.ts';
export { type ExecutorChoice, type ExecutorOptions, executorChoices } from './executors.ts';
export { checkOutputFile, jsonText, type OutputOptions, writeOutput } from './files/output.ts';
export { inspectModel, type ModelFacts } from './inspect.ts';
export { type InspectRunOptions, inspectRun, isFolder, type MemoryPlan, type RunFacts } from './inspect-run.ts';
export { type LoweredFile, lowerRun, type NamedType, type RunGraph } from './lower-run.ts';
export type { ClassScore, MetricName, Score } from './metrics/metric.ts';
export { interfaceOf, type NetworkInterface } from './network/interface.ts';
export { loadModel, type Model, rolesOf } from './network/model.ts';
export { type PairEntry, type PairsDocument, readPairs } from './pairs.ts';
export { type GraphProfile, type KernelTime, kernelTimes } from './profiling.ts';
export type { ProgressEvent, WorkOptions } from './progress.ts';
export { agreementText, type Report, resultTable, type TestResult } from './report.ts';
export {
  type Initialisation,
  initialisations,
  type Method,
  methods,
  outputMeans,
  type RunConfig,
  settingsOfTraining,
  type TrainingSettings,
  tasks,
  trainingDefaults,
  withDefaults,
} from './run/config.ts';
export { createRun, type RunRequest, type RunSummary, resumeRun, type TrainingWork } from './run/create.ts';
export { RunDirectory } from './run/directory.ts';
export { type Learnable, type LearnedRecord, learnable, readLearned } from './run/learned.ts';
export { type LoadedRun, loadRun } from './run/load.ts';
export { type RunAllRequest, type RunAllResult, runAll } from './run-all.ts';
export {
  type Combination,
  combinationText,
  type LearnedWeights,
  positionsText,
  settingOf,
} from './selection/combination.ts';
export { above, beyond, dominates, type Point, paretoSet } from './selection/front.ts';
export { frontFigures } from './selection/front-figure.ts';
export { possibleRules, type Rule, type Selection, select, whyNot } from './selection/select.ts';
export { type Sweep, type SweepOptions, sweep } from './selection/sweep.ts';
export {
  type Front,
  type FrontOptions,
  type FrontPoint,
  type NamedDataset,
  sweepFront,
} from './selection/weighted.ts';
export { ckaSimilarity, type Similarity, type SimilarityOptions } from './similarity.ts';
export { type FrontRequest, frontRun, sweepRun } from './sweep.ts';
export {
  type MemoryUse,
  mebibytes,
  memoryUses,
  type Phase,
  type StepMemory,
} from './training/memory.ts';
export {
  type Checkpoint,
  checkpointInterval,
  type MetricsEntry,
  Trainer,
  type TrainOptions,
} from './training/train.ts';
export { sutureVersion, type Versions, versions } from './version.ts';
export { resumeWeigh, type WeighOptions, type WeighSummary, weighRun } from './weigh.ts';
