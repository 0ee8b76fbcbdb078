/**
 * What programs import as `suture/web`: networks matched, stitched, trained, compared and exported in a page or a worker, on the browser's own
 * WebGPU. Nothing of it needs Node, files or a server; `docs/web.md` says what is what.
 */
export { type ErrorCode, errorCodes, SutureError } from '../../ir/errors.ts';
export { Graph, type Node, Value } from '../../ir/graph.ts';
export { float32, type Tensor, tensor } from '../../ir/tensor.ts';
export type { FeaturePair, Task } from '../../passes/index.ts';
export type { Executor } from '../../runtime/executor.ts';
export { createBrowserExecutor } from '../../runtime/webgpu/browser.ts';
export { type Dataset, type LabelOptions, parseDataset } from '../data/dataset.ts';
export { Runnable } from '../execution/execute.ts';
export type { Execution, ProgressEvent } from '../execution/progress.ts';
export { sutureVersion } from '../execution/suture-version.ts';
export type { MetricName } from '../metrics/metric.ts';
export type { Model } from '../network/model.ts';
export type { Training, TrainingRequest } from '../training/options.ts';
export type { MetricsEntry } from '../training/train.ts';
export {
  type CompareOptions,
  type Comparison,
  compareNetworks,
  type Exported,
  exportNetwork,
  positionByDepth,
  requireComparable,
} from './compare.ts';
export {
  type JoinedNetworks,
  type JoinOptions,
  joinNetworks,
  type ReadOptions,
  readNetwork,
  withTraining,
} from './network.ts';
export { type TrainedNetworks, trainStitches } from './train.ts';
