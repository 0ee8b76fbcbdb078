/** Networks from a disk. */
import { importOnnx } from '../../ir/onnx/file.ts';
import { hashFile } from '../files/hash.ts';
import { type Model, modelOf } from './model.ts';

/**
 * Reads a network.
 *
 * @param output as of `modelOf`, like `rounds`. @param options `apart` as of `importOnnx`.
 * @throws SutureError `model-unreadable`, `model-unsupported`, `model-external-data`; as `modelOf`.
 */
export async function loadModel(
  path: string,
  output?: string,
  { apart, ...options }: { readonly rounds?: boolean; readonly apart?: boolean } = {},
): Promise<Model> {
  // The import comes first: it says in a sentence what a hash would say by an errno.
  const imported = importOnnx(path, { apart });
  return modelOf(path, await hashFile(path), imported, { output, ...options });
}
