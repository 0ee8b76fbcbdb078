/** Small runs, finished and interrupted, and what damages them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor } from '../../../ir/index.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { front, sweep } from '../../../src/api/sweep.ts';
import { weigh } from '../../../src/api/weigh.ts';
import type { StitchRequest } from '../../../src/run/plan.ts';
import { sealed } from '../../../src/run/seal.ts';
import { tensorsFromNpz, tensorsToNpz } from '../../../src/run/tensors.ts';
import { smallData, smallParents } from '../cli/small.ts';

const executor = 'ort';

export async function requestIn(folder: string): Promise<StitchRequest> {
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const training = { steps: 4, batch: 2, init: 'kaiming', closingImages: 0 } as const;
  return { networks: [a, b], data, output: join(folder, 'run'), training, executor };
}

export const withSeed = (request: StitchRequest, seed: number, output: string): StitchRequest => ({
  ...request,
  output,
  training: { ...request.training, seed },
});

/** Trains to the end. */
export async function finished(request: StitchRequest): Promise<string> {
  await stitch(request);
  return request.output;
}

/** Trains three of the steps. */
export async function interrupted(request: StitchRequest): Promise<string> {
  const controller = new AbortController();
  const onProgress = ({ stage, done }: { stage: string; done: number }) => {
    if (stage === 'training the stitches' && done === 3) controller.abort();
  };
  await stitch(request, { signal: controller.signal, onProgress }).catch(() => undefined);
  return request.output;
}

/** Learns weights and scores everything. */
export async function scored(run: string, data: string): Promise<void> {
  await weigh(run, data, { learn: ['switches'], steps: 2, batch: 2, executor });
  await sweep(run, data, { executor });
  await front(run, data, { executor, weights: [0.5], outputs: [0.5], gate: false, learned: true });
}

/** A JSON document of a run written again, changed and sealed: by someone who knows how. */
export async function forgeJson(file: string, change: (document: Record<string, unknown>) => object): Promise<void> {
  const document = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify(sealed(change(document))));
}

/** The same of an archive of tensors. */
export async function forgeNpz(
  file: string,
  change: (found: { readonly tensors: Map<string, Tensor>; readonly state: Record<string, unknown> }) => void,
): Promise<void> {
  const found = tensorsFromNpz(await readFile(file), file);
  const tensors = new Map(found.tensors);
  const state = found.state as Record<string, unknown>;
  change({ tensors, state });
  await writeFile(file, tensorsToNpz(tensors, sealed(state, tensors)));
}
