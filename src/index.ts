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
export { type Curve, type CurveOptions, curve, curveChart, defaultCounts, evenlySpread } from './api/curve.ts';
export { type Diagnosis, diagnose } from './api/doctor.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './api/evaluate.ts';
export { type Choice, exportRun } from './api/export.ts';
export { inspectModel, type ModelFacts } from './api/inspect.ts';
export { type InspectRunOptions, inspectRun, isFolder, type MemoryPlan, type RunFacts } from './api/inspect-run.ts';
export { type LoweredFile, lowerRun, type NamedType, type RunGraph } from './api/lower.ts';
export { type RunAllRequest, type RunAllResult, runAll } from './api/run.ts';
export { createRun, type RunRequest, resumeRun, type TrainingWork } from './api/stitch.ts';
export { type FrontRequest, frontRun, sweepRun } from './api/sweep.ts';
export { resumeWeigh, type WeighOptions, type WeighSummary, weighRun } from './api/weigh.ts';
export { type Dataset, type LabelOptions, loadDataset, parseDataset } from './data/dataset.ts';
export { mebibytes } from './execution/budget.ts';
export { openExecutor, prepare, Runnable, withExecutor } from './execution/execute.ts';
export { type ExecutorChoice, type ExecutorOptions, executorChoices } from './execution/executors.ts';
export { type GraphProfile, type KernelTime, kernelTimes } from './execution/profiling.ts';
export type { ProgressEvent, WorkOptions } from './execution/progress.ts';
export { sutureVersion, type Versions, versions } from './execution/version.ts';
export { checkOutputFile, jsonText, type OutputOptions, writeOutput } from './files/output.ts';
export { LabelledData } from './metrics/labelled.ts';
export type { ClassScore, MetricName, Score } from './metrics/metric.ts';
export { type NetworkScore, scoreNetworks } from './metrics/score-networks.ts';
export { interfaceOf, type NetworkInterface } from './network/interface.ts';
export { loadModel, type Model, rolesOf } from './network/model.ts';
export { type Network, networkOf } from './network/network.ts';
export { type PairEntry, type PairsDocument, readPairs } from './network/pairs.ts';
export { ckaSimilarity, type Similarity, type SimilarityOptions } from './network/similarity.ts';
export { writeModel } from './network/write.ts';
export { frontFigures } from './report/front-figure.ts';
export { agreementText, type Report, resultTable, type TestResult } from './report/report.ts';
export { outputMeans, type RunConfig, tasks } from './run/config.ts';
export { type ExportDtype, type ExportedNetwork, exportDtypes } from './run/deployed.ts';
export { RunDirectory } from './run/directory.ts';
export { type Learnable, type LearnedRecord, learnable, readLearned } from './run/learned.ts';
export { type LoadedRun, loadRun } from './run/load.ts';
export type { RunSummary } from './run/summary.ts';
export { type Agreement, compareWithFile } from './run/verify.ts';
export {
  type Combination,
  combinationText,
  type LearnedWeights,
  positionsText,
  settingOf,
} from './selection/combination.ts';
export { above, beyond, dominates, type Point, paretoSet } from './selection/front.ts';
export { possibleRules, type Rule, type Selection, select, whyNot } from './selection/select.ts';
export { type Sweep, type SweepOptions, sweep } from './selection/sweep.ts';
export {
  type Front,
  type FrontOptions,
  type FrontPoint,
  type NamedData,
  sweepFront,
} from './selection/weighted.ts';
export {
  type MemoryUse,
  memoryUses,
  type Phase,
  type StepMemory,
} from './training/memory.ts';
export {
  type Initialisation,
  initialisations,
  type Method,
  methods,
  settingsOfTraining,
  type TrainingSettings,
  trainingDefaults,
  withDefaults,
} from './training/settings.ts';
export {
  type Checkpoint,
  checkpointInterval,
  type MetricsEntry,
  Trainer,
  type TrainOptions,
} from './training/train.ts';
