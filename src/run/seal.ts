/**
 * Seals: what makes the files of a run one whole. A JSON document of a run ends with `seal`, the SHA-256 of its other members, and of
 * the tensors that lie beside it. All but `config.json` say in `of` which seal they belong to: the parameters and a checkpoint to
 * the configuration, which holds the hashes of the parents and the pairs; scores and learned weights to the parameters.
 */
import { createHash } from 'node:crypto';
import type { Tensor } from '../../ir/index.ts';

/** The seal of a document. Members that JSON leaves out do not count. */
function sealOf(document: object, tensors: ReadonlyMap<string, Tensor> = new Map()): string {
  const { seal: _, ...rest } = document as { readonly seal?: unknown };
  const hash = createHash('sha256').update(JSON.stringify(rest));
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, data } = tensors.get(name)!;
    hash.update(JSON.stringify([name, dtype, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** The document with its seal. */
export const sealed = <D extends object>(
  document: D,
  tensors?: ReadonlyMap<string, Tensor>,
): D & { readonly seal: string } => ({ ...document, seal: sealOf(document, tensors) });

/** The seal of a document as it was read; undefined where it is none, or does not fit. */
export function checkedSeal(document: unknown, tensors?: ReadonlyMap<string, Tensor>): string | undefined {
  if (typeof document !== 'object' || document === null || !('seal' in document)) return undefined;
  const seal = sealOf(document, tensors);
  return document.seal === seal ? seal : undefined;
}
