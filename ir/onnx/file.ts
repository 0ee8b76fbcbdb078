/** Model files: the protobuf message, and the external data beside it. */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { printable, SutureError, someOf } from '../errors.ts';
import type { Graph } from '../graph.ts';
import { type ExportOptions, exportModel } from './export.ts';
import { ExternalFolder } from './external-folder.ts';
import { type Imported, type ImportOptions, importModel } from './import.ts';
import { amend, decodeModel, encodeModel, MAX_MESSAGE_BYTES, tooLarge } from './proto/codec.ts';
import { DataLocation, type MessageInit, type ModelProto } from './proto/schema.ts';

type TensorInit = MessageInit<'TensorProto'>;

/**
 * Reads a model from a file, with external data beside it, or from bytes.
 *
 * @throws SutureError `model-unreadable`, `model-unsupported`, `model-external-data` (all problems in `details`), `model-limit`.
 */
export function importOnnx(
  source: string | Uint8Array,
  options: Pick<ImportOptions, 'limits' | 'apart'> = {},
): Imported {
  if (typeof source !== 'string') return importModel(decodeModel(source), options);
  const { model, external } = readModelFile(source);
  try {
    return importModel(model, { ...options, external, what: `'${printable(basename(source))}'` });
  } finally {
    external.close();
  }
}

/** Writes a model file, with external data beside it when it would pass 2 GiB. @throws SutureError `output-unwritable`. */
export const writeOnnx = (graph: Graph, path: string, options?: ExportOptions): void =>
  writeModelFile(path, exportModel(graph, options));

/**
 * Reads and decodes a model file. External data is not read yet: pass `external` to what needs it, and close it then.
 *
 * @throws SutureError `model-unreadable`.
 */
export function readModelFile(path: string): { readonly model: ModelProto; readonly external: ExternalFolder } {
  const what = `'${printable(path)}'`;
  let bytes: Uint8Array;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) {
      const models = readdirSync(path).filter(name => name.endsWith('.onnx'));
      const example = models.length > 0 ? `, as ${someOf(models.toSorted())} in it` : '';
      throw new SutureError('model-unreadable', `${what} is a folder: a model file was expected${example}.`);
    }
    if (!stat.isFile())
      throw new SutureError('model-unreadable', `${what} is a device or a pipe: a model file was expected.`);
    if (stat.size > MAX_MESSAGE_BYTES) throw tooLarge(what, stat.size);
    bytes = readFileSync(path);
  } catch (cause) {
    if (cause instanceof SutureError) throw cause;
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new SutureError('model-unreadable', `${what} ${missing ? 'does not exist' : 'cannot be read'}.`, { cause });
  }
  return { model: decodeModel(bytes, what), external: new ExternalFolder(dirname(path)) };
}

interface WriteOptions {
  /** Tensors go to external data when they would make the message longer than this; 2 GiB less a margin by default. */
  readonly maxBytes?: number;
}

/** Where tensors start in a data file: a multiple of this, so that they can be mapped into memory. */
const DATA_ALIGNMENT = 4096;
/** Tensors below this stay in the message: shapes and scalars must be there for shape inference. */
const MIN_EXTERNAL_BYTES = 1024;
const DEFAULT_MAX_BYTES = MAX_MESSAGE_BYTES - 2 ** 26;

/**
 * Writes a model file. Initialisers that would make it too large go to `<name>.data` beside it. Both files are
 * written under temporary names and renamed, so that a failure leaves what was there.
 *
 * @throws SutureError `output-unwritable`.
 */
export function writeModelFile(path: string, model: MessageInit<'ModelProto'>, options: WriteOptions = {}): void {
  const graph = model.graph ?? {};
  const initializers = graph.initializer ?? [];
  const total = initializers.reduce((sum, tensor) => sum + (tensor.rawData?.byteLength ?? 0), 0);
  const temporary = `${path}.${process.pid}.tmp`;
  const dataPath = `${path}.data`;
  const dataTemporary = `${dataPath}.${process.pid}.tmp`;
  try {
    if (total > (options.maxBytes ?? DEFAULT_MAX_BYTES)) {
      const initializer = writeData(dataTemporary, basename(dataPath), initializers);
      writeFileSync(
        temporary,
        encodeModel(amend<'ModelProto'>(model, { graph: amend<'GraphProto'>(graph, { initializer }) })),
      );
      renameSync(dataTemporary, dataPath);
    } else {
      writeFileSync(temporary, encodeModel(model));
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    rmSync(dataTemporary, { force: true });
    if (cause instanceof SutureError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SutureError('output-unwritable', `'${printable(path)}' can't be written: ${printable(reason, 200)}.`, {
      cause,
    });
  }
}

/** Writes the large tensors one after the other; returns the messages that point there. */
function writeData(path: string, location: string, tensors: readonly TensorInit[]): TensorInit[] {
  const fd = openSync(path, 'w');
  try {
    let end = 0;
    return tensors.map(tensor => {
      const { rawData } = tensor;
      if (rawData === undefined || rawData.byteLength < MIN_EXTERNAL_BYTES) return tensor;
      const offset = Math.ceil(end / DATA_ALIGNMENT) * DATA_ALIGNMENT;
      for (let done = 0; done < rawData.byteLength; ) {
        done += writeSync(fd, rawData, done, Math.min(rawData.byteLength - done, 2 ** 30), offset + done);
      }
      end = offset + rawData.byteLength;
      const entries = { location, offset: String(offset), length: String(rawData.byteLength) };
      const moved = amend<'TensorProto'>(tensor, {
        dataLocation: DataLocation.EXTERNAL,
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
      });
      Reflect.deleteProperty(moved, 'rawData');
      return moved;
    });
  } finally {
    closeSync(fd);
  }
}
