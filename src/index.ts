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
} from '../runtime/adapter/index.ts';
export { type Diagnosis, diagnose } from './doctor.ts';
export { type EvaluateOptions, type Evaluation, type EvaluationRow, evaluate, scoreNetworks } from './evaluate.ts';
export { type ExecutorChoice, type ExecutorOptions, executorChoices } from './executors.ts';
export { checkOutputFile, jsonText, type OutputOptions, writeOutput } from './files/output.ts';
export { inspectModel, type ModelFacts } from './inspect.ts';
export type { ClassScore, MetricName, Score } from './metrics/metric.ts';
export { interfaceOf, loadModel, type Model, type NetworkInterface } from './model.ts';
export { type PairEntry, type PairsDocument, readPairs } from './pairs.ts';
export type { ProgressEvent, WorkOptions } from './progress.ts';
export { sutureVersion, type Versions, versions } from './version.ts';
