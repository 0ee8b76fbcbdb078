/** Networks as files, each read once. */
import { type Graph, type ImportWarning, importOnnx, printable } from '../../ir/index.ts';
import { freeBatch, widen } from '../../passes/index.ts';
import { hashFile } from '../files/hash.ts';

/** A network and the file that it came from. */
export interface Model {
  /** As it was given: the name for messages and reports. */
  readonly path: string;
  /** SHA-256 of the model file, in hexadecimal. External data is not part of it. */
  readonly sha256: string;
  /** What the file holds. */
  readonly file: Graph;
  /** What is computed with: the file's graph in float32, with an open batch where it can be proven that samples stay apart. */
  readonly graph: Graph;
  /** Files beside it that hold tensors of it, relative to its folder. */
  readonly external: readonly string[];
  readonly warnings: readonly ImportWarning[];
}

/** What messages call the two networks that are to be joined: `parent a (A.onnx)`. */
export const rolesOf = (a: Model, b: Model): readonly [string, string] => [
  `parent a (${printable(a.path)})`,
  `parent b (${printable(b.path)})`,
];

/** Reads a network. @throws SutureError `model-unreadable`, `model-unsupported`, `model-external-data`. */
export async function loadModel(path: string): Promise<Model> {
  // The import comes first: it says in a sentence what a hash would say by an errno.
  const { graph: file, warnings, external } = importOnnx(path);
  const wide = widen(file);
  return { path, sha256: await hashFile(path), file, graph: freeBatch(wide) ?? wide, external, warnings };
}
