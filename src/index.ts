/**
 * The public API: what each command does, as a function named after it, and what one needs beside. `docs/api.md` says what is what.
 * Graphs and their files are in `suture/ir`, and what is done to graphs in `suture/passes`.
 */
export { type ErrorCode, SutureError } from '../ir/errors.ts';
export type { Activation, OutputMeaning, Task } from '../passes/index.ts';
export type { AdapterChoice, AdapterFacts, AdapterOptions, AdapterReport } from '../runtime/adapter/facts.ts';
export type { Executor, PrepareOptions, Profile, Session } from '../runtime/executor.ts';
export { type Curve, type CurveOptions, curve } from './api/curve.ts';
export { type DiagnoseOptions, diagnose } from './api/diagnose.ts';
export {
  type DistillOptions,
  type DistillSummary,
  distill,
  resumeDistill,
} from './api/distill.ts';
export { type Diagnosis, doctor } from './api/doctor.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './api/evaluate.ts';
export { type Choice, exportNetwork } from './api/export.ts';
export type { RunResult } from './api/follow.ts';
export { inspect, type ModelFacts } from './api/inspect.ts';
export { type InspectRunOptions, inspectRun, type MemoryPlan, type RunFacts } from './api/inspect-run.ts';
export { type LoweredFile, lower, type NamedType, type RunGraph } from './api/lower.ts';
export { type MatchOptions, type MatchResult, match, type SeveralMatchResult } from './api/match.ts';
export { type PredictedCase, type Prediction, type PredictRequest, predict } from './api/predict.ts';
export { type ReportFile, type ReportOptions, report } from './api/report.ts';
export { type RunRequest, resumeRun, run } from './api/run.ts';
export { type SearchRequest, search } from './api/search.ts';
export { resumeStitch, stitch, stitchFurther } from './api/stitch.ts';
export {
  type StudyOptions,
  type StudyStatus,
  study,
  studyCancel,
  studyOnSlurm,
  studyPlan,
  studyReport,
  studyStatus,
} from './api/study.ts';
export { studyCell } from './api/study-cell.ts';
export { type FrontRequest, front, type SweepRequest, sweep } from './api/sweep.ts';
export { resumeTrain, type TrainOptions, type TrainSummary, train } from './api/train.ts';
export { resumeWeigh, type WeighOptions, type WeighSummary, weigh } from './api/weigh.ts';
export type { Dataset, LabelOptions } from './data/dataset.ts';
export { loadDataset } from './data/load.ts';
export { Runnable } from './execution/execute.ts';
export type { ExecutorChoice, ExecutorOptions } from './execution/executors.ts';
export { openExecutor } from './execution/open.ts';
export type { GraphProfile } from './execution/profiling.ts';
export type { ProgressEvent, TrainingWork, WorkOptions } from './execution/progress.ts';
export type { Versions } from './execution/version.ts';
export type { CaseScore, ClassScore, MetricName, Score } from './metrics/metric.ts';
export type { NetworkScore } from './metrics/score-networks.ts';
export type { StressScore } from './metrics/stress.ts';
export type { StressRequest } from './metrics/stress-sets.ts';
export type { SurfaceCase, SurfaceClassScore, SurfaceOptions, SurfaceScore } from './metrics/surface.ts';
export type { ValidationScore } from './metrics/validation.ts';
export type { Model } from './network/model.ts';
export type { Network, TrainedNetwork } from './network/network.ts';
export { type PairsDocument, readPairs } from './network/pairs.ts';
export type { OutputShares } from './options/kinds.ts';
export type { ListedCase } from './report/cases.ts';
export type { Report } from './report/report.ts';
export type { RunConfig } from './run/config.ts';
export type { ExportedNetwork } from './run/deployed.ts';
export type { Learnable, LearnedRecord } from './run/learned.ts';
export { type LoadedRun, loadRun } from './run/load.ts';
export type { StitchRequest } from './run/plan.ts';
export type { RunSummary } from './run/summary.ts';
export type { Agreement } from './run/verify.ts';
export type { Combination } from './selection/combination.ts';
export type { RunDiagnosis } from './selection/diagnose/diagnose.ts';
export type { Search, SearchPoint } from './selection/search/search.ts';
export type { Rule, Selection } from './selection/select.ts';
export type { Sweep, SweepOptions } from './selection/sweep.ts';
export type { Front, FrontPoint } from './selection/weighted.ts';
export type { Training, TrainingRequest } from './training/options.ts';
