/** `metrics.jsonl` of a run directory: JSON lines, appended while a training runs. */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/index.ts';
import { hashBytes } from '../files/hash.ts';
import { unwritable, writeOutput } from '../files/output.ts';
import { hashSchema, naturalSchema } from './checkpoint.ts';

/** How far the metrics were when a checkpoint was written. */
export const metricsStateSchema = v.object({ bytes: naturalSchema, sha256: hashSchema });
export type MetricsState = v.InferOutput<typeof metricsStateSchema>;

export class MetricsFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash: Hash;
  #bytes: number;

  private constructor(path: string, file: FileHandle, content: Uint8Array) {
    this.#path = path;
    this.#file = file;
    this.#hash = createHash('sha256').update(content);
    this.#bytes = content.length;
  }

  /**
   * Begins a file anew, with as much of `before` as a checkpoint saw of it: what came after it is computed again. A link or a file
   * that something else refers to is replaced, not written through.
   *
   * @throws SutureError `run-invalid` when that is not what the checkpoint saw, `output-unwritable`.
   */
  static async begin(path: string, before: Uint8Array, from?: MetricsState): Promise<MetricsFile> {
    const content = before.subarray(0, from?.bytes ?? 0);
    if (from && (content.length < from.bytes || hashBytes(content) !== from.sha256)) {
      throw new SutureError(
        'run-invalid',
        `${printable(path)} is not what it was when the checkpoint was written: put it back as it was, or begin the training again.`,
      );
    }
    await writeOutput(path, content, { force: true });
    const flags = constants.O_WRONLY | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
    try {
      return new MetricsFile(path, await open(path, flags), content);
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }

  /** How far it is, of lines that are on the disk: a checkpoint may refer to them. */
  async state(): Promise<MetricsState> {
    await this.sync();
    return { bytes: this.#bytes, sha256: this.#hash.copy().digest('hex') };
  }

  async append(entry: unknown): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      await this.#file.appendFile(line);
    } catch (cause) {
      throw unwritable(this.#path, cause);
    }
    this.#hash.update(line);
    this.#bytes += line.length;
  }

  /** Forces the lines so far to the disk. */
  async sync(): Promise<void> {
    await this.#file.datasync().catch((cause: unknown) => {
      throw unwritable(this.#path, cause);
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
