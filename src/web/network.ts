/** Networks and pairs in a page: what `suture match` and the beginning of `suture stitch` do, without files. */
import { SutureError } from '../../ir/errors.ts';
import { printable } from '../../ir/index.ts';
import type { Limits } from '../../ir/limits.ts';
import { ExternalBytes } from '../../ir/onnx/external.ts';
import { importModel } from '../../ir/onnx/import.ts';
import { decodeModel } from '../../ir/onnx/proto/codec.ts';
import type { Dataset } from '../data/dataset.ts';
import { type Execution, workOptions } from '../execution/progress.ts';
import {
  disagreementsOf,
  type Joined,
  type JoinRequest,
  joinModels,
  requireApart,
  requireImages,
} from '../network/join.ts';
import { type Model, modelOf, warningsOf } from '../network/model.ts';
import { requireSeveral } from '../network/tags.ts';
import { trainingFor } from '../training/begin.ts';
import type { BegunTraining, TrainingRequest } from '../training/options.ts';

export interface ReadOptions {
  /** Of several outputs the name of the one that is used. Default: the one that is as large as the image. */
  readonly output?: string | undefined;
  /** Files beside the model that hold tensors of it, by the locations that it names. */
  readonly external?: ReadonlyMap<string, Uint8Array> | undefined;
  /** What the model may make of itself. */
  readonly limits?: Partial<Limits> | undefined;
}

/**
 * Reads a network from the bytes of an ONNX file.
 *
 * @param name what messages and the exported file call it.
 * @throws SutureError `model-unreadable`, `model-unsupported`, `model-external-data` (all problems in `details`), `model-limit`.
 */
export async function readNetwork(bytes: Uint8Array, name: string, options: ReadOptions = {}): Promise<Model> {
  const { external = new Map(), limits, output } = options;
  const what = `'${printable(name)}'`;
  const imported = importModel(decodeModel(bytes, what), { what, external: new ExternalBytes(external), limits });
  return modelOf(name, await sha256(bytes), imported, { output });
}

/** In hexadecimal. @throws SutureError `option-invalid` in pages that browsers do not trust with cryptography. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto as { readonly subtle?: typeof globalThis.crypto.subtle };
  if (!subtle) {
    throw new SutureError(
      'option-invalid',
      'Open this page from https:// or localhost: browsers compute no hashes for others.',
    );
  }
  const digest = await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('');
}

/** Networks that are joined, before their stitches are trained. */
export interface JoinedNetworks extends Joined {
  readonly dataset: Dataset;
  readonly training: BegunTraining;
}

export interface JoinOptions extends Partial<Omit<JoinRequest, 'labelled'>> {
  /** What is not given is as for `suture stitch`. */
  readonly training?: TrainingRequest | undefined;
}

/** The same networks, to be trained in another way. @throws SutureError `option-invalid`. */
export const withTraining = (joined: JoinedNetworks, training: TrainingRequest): JoinedNetworks => ({
  ...joined,
  training: trainingFor(joined.parents, training),
});

/**
 * Matches networks, the first the own one, and joins them for images of a data set; the executor is asked where a file leaves open what its output means.
 *
 * @param dataset what the stitches are to be trained on; labels are not needed.
 * @throws SutureError whatever is wrong with the networks, the images or the options; `interrupted`.
 */
export async function joinNetworks(
  execution: Execution,
  models: readonly Model[],
  dataset: Dataset,
  { training: request, outputMean = 'probabilities', ...join }: JoinOptions = {},
): Promise<JoinedNetworks> {
  requireSeveral(models);
  requireApart(models);
  const training = trainingFor(models, request);
  requireImages(models, dataset);
  const open = <T>(work: (executor: Execution['executor']) => Promise<T>): Promise<T> => work(execution.executor);
  const joined = await joinModels(open, models, dataset, { ...join, outputMean });
  const disagreements = await disagreementsOf(open, joined.parents, dataset, workOptions(execution));
  return {
    ...joined,
    dataset,
    training,
    warnings: [...warningsOf(models), ...joined.warnings, ...disagreements],
  };
}
