/** The functions of the library as programs call them: what they are given is held against the options that there are, here and nowhere else. */
import type { AdapterOptions } from '../../runtime/adapter/facts.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset as loadDatasetOf } from '../data/load.ts';
import type { FolderOptions } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { openExecutor as openExecutorOf } from '../execution/open.ts';
import type { TrainingWork, WorkOptions } from '../execution/progress.ts';
import type { WriteOptions } from '../files/output.ts';
import type { StressRequest } from '../metrics/stress-sets.ts';
import type { SurfaceOptions } from '../metrics/surface.ts';
import { type AnyMembers, known, type Members, membersOf } from '../options/members.ts';
import type { FurtherStitchRequest } from '../run/further.ts';
import { learningOptions } from '../run/learned.ts';
import type { StitchRequest } from '../run/plan.ts';
import type { Combination } from '../selection/combination.ts';
import { distillationOptions } from '../training/distill.ts';
import { networkOptions } from '../training/network.ts';
import { type FurtherRequest, trainingOptions } from '../training/options.ts';
import { type CurveOptions, curve as curveOf } from './curve.ts';
import { type DiagnoseOptions, diagnose as diagnoseOf } from './diagnose.ts';
import { type DistillOptions, distill as distillOf, resumeDistill as resumeDistillOf } from './distill.ts';
import { doctor as doctorOf } from './doctor.ts';
import { type EvaluateOptions, evaluate as evaluateOf } from './evaluate.ts';
import { type Choice, type ExportOptions, exportNetwork as exportNetworkOf } from './export.ts';
import { type InspectRunOptions, inspectRun as inspectRunOf } from './inspect-run.ts';
import { lower as lowerOf } from './lower.ts';
import { type MatchOptions, match as matchOf } from './match.ts';
import { type PredictRequest, predict as predictOf } from './predict.ts';
import { type ReportOptions, report as reportOf } from './report.ts';
import { type RunRequest, resumeRun as resumeRunOf, run as runOf } from './run.ts';
import { type SearchRequest, search as searchOf } from './search.ts';
import {
  type ResumedWork,
  resumeStitch as resumeStitchOf,
  stitchFurther as stitchFurtherOf,
  stitch as stitchOf,
} from './stitch.ts';
import {
  type KeepOptions,
  type StudyOptions,
  study as studyOf,
  studyOnSlurm as studyOnSlurmOf,
  studyReport as studyReportOf,
} from './study.ts';
import { studyCell as studyCellOf } from './study-cell.ts';
import { type FrontRequest, front as frontOf, type SweepRequest, sweep as sweepOf } from './sweep.ts';
import { resumeTrain as resumeTrainOf, type TrainOptions, train as trainOf } from './train.ts';
import { resumeWeigh as resumeWeighOf, type WeighOptions, weigh as weighOf } from './weigh.ts';

const work = { onProgress: true, signal: true } satisfies Members<WorkOptions>;
const trainingWork = { ...work, checkpointSeconds: true } satisfies Members<TrainingWork>;
const resumedWork = { ...trainingWork, onProfile: true } satisfies Members<ResumedWork>;
const executing = {
  adapter: true,
  executor: true,
  onProfile: true,
  tune: true,
  onTuning: true,
} satisfies Members<ExecutorOptions>;
const computing = { ...work, ...executing };
const writing = { force: true } satisfies Members<WriteOptions>;
const folder = {
  plans: true,
  configuration: true,
  partners: true,
  grid: true,
  tile: true,
  fold: true,
} satisfies Members<FolderOptions>;
const labels = { ignoreLabel: true, regions: true, task: true, folder } satisfies Members<LabelOptions>;
const changed = { files: true, changes: true, images: true } satisfies Members<Omit<StressRequest, 'seed'>>;
const stress = { ...changed, seed: true } satisfies Members<StressRequest>;
const scoring = { labels, metric: true } as const;

const stitched = {
  ...executing,
  activation: true,
  networks: true,
  outputs: true,
  matchWith: true,
  data: true,
  output: true,
  force: true,
  pairs: true,
  training: membersOf(trainingOptions),
  task: true,
  labels,
  outputMean: true,
  classes: true,
} satisfies Members<StitchRequest>;
const { data: _, ...joined } = stitched;
const ran = {
  ...joined,
  train: true,
  validation: true,
  tests: true,
  gate: true,
  metric: true,
  gateOver: true,
  stress: changed,
  budget: true,
  distill: true,
  rule: true,
  depth: true,
  position: true,
  half: true,
} satisfies Members<RunRequest>;
const further = {
  ...executing,
  run: true,
  settings: true,
  outputs: true,
  data: true,
  output: true,
  force: true,
  classes: true,
  training: {
    steps: true,
    batch: true,
    learningRate: true,
    seed: true,
    loss: true,
    normalize: true,
    probabilityWeight: true,
    memory: true,
  } satisfies Members<FurtherRequest>,
} satisfies Members<FurtherStitchRequest>;
const matched = {
  ...computing,
  ...writing,
  matcher: true,
  timeLimit: true,
  metric: true,
  outputs: true,
  matchWith: true,
  similarity: true,
  data: true,
  labels: { folder },
  images: true,
  output: true,
} satisfies Members<MatchOptions>;
const swept = { ...computing, ...scoring, batch: true, stress } satisfies Members<SweepRequest>;
const fronted = {
  ...swept,
  groups: true,
  weights: true,
  outputs: true,
  gate: true,
  gateOver: true,
  loss: true,
  tests: true,
  learned: true,
} satisfies Members<FrontRequest>;
const searched = {
  ...swept,
  evaluations: true,
  seed: true,
  cost: true,
} satisfies Members<SearchRequest>;
const weighed = {
  ...executing,
  ...membersOf(learningOptions),
  output: true,
  labels,
} satisfies Members<WeighOptions & ExecutorOptions>;
const made = { data: true, validation: true, output: true, force: true, ...scoring } as const;
const distilled = {
  ...executing,
  ...membersOf(distillationOptions),
  ...made,
  teacher: true,
  student: true,
} satisfies Members<DistillOptions & ExecutorOptions>;
const trained = {
  ...executing,
  ...membersOf(networkOptions),
  ...made,
  activation: true,
  sites: true,
  outputs: true,
  task: true,
} satisfies Members<TrainOptions & ExecutorOptions>;
const looked = { adapter: true } satisfies Members<AdapterOptions>;
const studied = { ...work, output: true, jobs: true, launch: true } satisfies Members<StudyOptions>;
const submitted = { output: true, jobs: true } satisfies Members<Pick<StudyOptions, 'output' | 'jobs'>>;
const kept = { mlflow: true, tensorboard: true } satisfies Members<KeepOptions>;
const drawn = { ...computing, ...scoring, counts: true, batch: true } satisfies Members<CurveOptions>;
const reported = { ...computing, ...writing, ...kept, output: true } satisfies Members<ReportOptions>;
const diagnosed = {
  ...computing,
  ...scoring,
  data: true,
  tests: true,
  changes: true,
  shiftImages: true,
  batch: true,
} satisfies Members<DiagnoseOptions>;
const chosen = {
  position: true,
  rule: true,
  depth: true,
  gated: true,
  gateOver: true,
  all: true,
  combination: {
    positions: true,
    weight: true,
    output: true,
    gated: true,
    gateOver: true,
  } satisfies Members<Combination>,
  chosen: true,
  learned: true,
  budget: true,
  setting: true,
  trained: true,
} satisfies Members<Choice>;
const exported = { ...writing, half: true } satisfies Members<ExportOptions>;
const evaluated = {
  ...computing,
  ...scoring,
  task: true,
  activation: true,
  ensemble: true,
  surface: { tolerance: true, spacing: true } satisfies Members<SurfaceOptions>,
  batch: true,
  outputs: true,
  cases: true,
  summary: true,
  stress,
} satisfies Members<EvaluateOptions>;
const predicted = {
  ...executing,
  activation: true,
  model: true,
  outputs: true,
  data: true,
  output: true,
  plans: true,
  configuration: true,
  dataset: true,
  mirror: true,
  step: true,
  batch: true,
  force: true,
} satisfies Members<PredictRequest>;
const inspected = { batch: true, memory: true } satisfies Members<InspectRunOptions>;

/**
 * A function whose options are checked. What is undefined in them counts as absent.
 *
 * @param members of each argument that is an object of options, by its place.
 */
const held = <A extends unknown[], R>(
  name: string,
  of: (...given: A) => Promise<R>,
  members: Readonly<Record<number, AnyMembers>>,
) => {
  return async (...given: A): Promise<R> =>
    of(...(given.map((value, i) => (members[i] && value !== undefined ? known(name, value, members[i]) : value)) as A));
};

export const run: typeof runOf = held('run', runOf, { 0: ran, 1: trainingWork });
export const resumeRun: typeof resumeRunOf = held('resumeRun', resumeRunOf, { 1: trainingWork });
export const match = held('match', matchOf, { 1: matched }) as typeof matchOf;
export const stitch: typeof stitchOf = held('stitch', stitchOf, { 0: stitched, 1: trainingWork });
export const stitchFurther: typeof stitchFurtherOf = held('stitchFurther', stitchFurtherOf, {
  0: further,
  1: trainingWork,
});
export const resumeStitch: typeof resumeStitchOf = held('resumeStitch', resumeStitchOf, { 1: resumedWork });
export const sweep: typeof sweepOf = held('sweep', sweepOf, { 2: swept });
export const front: typeof frontOf = held('front', frontOf, { 2: fronted });
export const search: typeof searchOf = held('search', searchOf, { 2: searched });
export const weigh: typeof weighOf = held('weigh', weighOf, { 2: weighed, 3: trainingWork });
export const resumeWeigh: typeof resumeWeighOf = held('resumeWeigh', resumeWeighOf, { 1: trainingWork });
export const distill: typeof distillOf = held('distill', distillOf, { 1: distilled, 2: trainingWork });
export const resumeDistill: typeof resumeDistillOf = held('resumeDistill', resumeDistillOf, { 1: trainingWork });
export const train: typeof trainOf = held('train', trainOf, { 1: trained, 2: trainingWork });
export const resumeTrain: typeof resumeTrainOf = held('resumeTrain', resumeTrainOf, { 1: trainingWork });
export const study: typeof studyOf = held('study', studyOf, { 1: studied });
export const studyCell: typeof studyCellOf = held('studyCell', studyCellOf, { 2: trainingWork });
export const studyOnSlurm: typeof studyOnSlurmOf = held('studyOnSlurm', studyOnSlurmOf, { 1: submitted });
export const studyReport: typeof studyReportOf = held('studyReport', studyReportOf, { 1: kept });
export const curve: typeof curveOf = held('curve', curveOf, { 2: drawn });
export const report: typeof reportOf = held('report', reportOf, { 1: reported });
export const diagnose: typeof diagnoseOf = held('diagnose', diagnoseOf, { 1: diagnosed });
export const exportNetwork: typeof exportNetworkOf = held('exportNetwork', exportNetworkOf, { 2: chosen, 3: exported });
export const lower: typeof lowerOf = held('lower', lowerOf, { 3: writing });
export const evaluate: typeof evaluateOf = held('evaluate', evaluateOf, { 2: evaluated });
export const predict: typeof predictOf = held('predict', predictOf, { 0: predicted, 1: work });
export const inspectRun: typeof inspectRunOf = held('inspectRun', inspectRunOf, { 1: inspected });
export const doctor: typeof doctorOf = held('doctor', doctorOf, { 0: looked });
export const loadDataset: typeof loadDatasetOf = held('loadDataset', loadDatasetOf, { 1: labels });
export const openExecutor: typeof openExecutorOf = held('openExecutor', openExecutorOf, { 0: executing });
