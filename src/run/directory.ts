/** A run directory: what `docs/files.md` describes, written and read. */
import { constants } from 'node:fs';
import { access, copyFile, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import { resolveExternal } from '../../ir/onnx/external.ts';
import { hashFile } from '../files/hash.ts';
import { jsonText, makeFolder, unwritable, writeOutput } from '../files/output.ts';
import { configSchema, type RunConfig } from './config.ts';
import { externalFiles } from './external.ts';
import { isThere, nextFolder, promote, readyFolder, settle } from './replacement.ts';
import { tensorsFromNpz, tensorsToNpz } from './tensors.ts';

/** The files of a run directory. */
export const runFiles = {
  config: 'config.json',
  pairs: 'pairs.json',
  parents: 'parents',
  checkpoint: 'checkpoint.npz',
  parameters: 'parameters.npz',
  metrics: 'metrics.jsonl',
  weights: 'weights.npz',
  weighing: 'weights-checkpoint.npz',
  sweep: 'sweep.json',
  front: 'front.json',
  model: 'stitched.onnx',
  reportJson: 'report.json',
  reportText: 'report.md',
} as const;

const runFileNames = Object.values(runFiles);

const errno = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** The nearest folder on the way to `path` that exists. */
async function nearestFolder(path: string): Promise<string> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch((error: unknown) => {
      if (errno(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found) {
      if (!found.isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
      return folder;
    }
  }
}

/**
 * Asks whether a run directory can be made at `path`, without making it. A folder that holds anything is refused; with
 * `force`, one that holds a run is not.
 *
 * @throws SutureError `output-exists`, `output-unwritable`.
 */
export async function checkRunOutput(
  path: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<void> {
  try {
    await access(await nearestFolder(path), constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
  const present = await readdir(path).catch((error: unknown) => {
    if (errno(error) === 'ENOENT') return [] as string[];
    throw unwritable(path, error);
  });
  // A leftover of a run that was killed before it was one is nothing.
  if (present.every(name => name === nextFolder)) return;
  const isRun = present.includes(runFiles.config) || present.includes(readyFolder);
  if (isRun && force) return;
  throw new SutureError(
    'output-exists',
    isRun
      ? `${printable(path)} holds a run already; choose another name, or say --force to replace it.`
      : `${printable(path)} exists and holds other files than a run's; choose another name.`,
  );
}

export class RunDirectory {
  readonly path: string;
  readonly config: RunConfig;
  /** Where the files are: `path`, or a folder inside it while the run is to replace another. */
  #root: string;

  private constructor(path: string, root: string, config: RunConfig) {
    this.path = path;
    this.#root = root;
    this.config = config;
  }

  file(name: keyof typeof runFiles): string {
    return join(this.#root, runFiles[name]);
  }

  parentFile(tag: 'a' | 'b'): string {
    return join(this.#root, this.config.parents[tag].file);
  }

  /** Whether the run takes another one's place when its training has ended. */
  get replaces(): boolean {
    return this.#root !== this.path;
  }

  /**
   * Makes a run directory with the parents copied into it. Where it replaces a run, that one stays until `finish`.
   *
   * @throws SutureError as {@link checkRunOutput}, and `model-unreadable` when a parent's file is no longer what was read.
   */
  static async create(
    path: string,
    config: RunConfig,
    pairs: unknown,
    options: { readonly force?: boolean } = {},
  ): Promise<RunDirectory> {
    await checkRunOutput(path, options);
    const fresh = !(await isThere(path));
    const root = join(path, nextFolder);
    try {
      await settle(path, runFileNames);
      await rm(root, { recursive: true, force: true });
      await makeFolder(root);
      const run = new RunDirectory(path, root, config);
      for (const tag of ['a', 'b'] as const) await run.#copyParent(tag);
      await writeOutput(run.file('pairs'), jsonText(pairs));
      await writeOutput(run.file('config'), jsonText(config));
      if (!(await isThere(join(path, runFiles.config)))) await run.#promote();
      return run;
    } catch (cause) {
      await rm(fresh ? path : root, { recursive: true, force: true }).catch(() => undefined);
      throw unwritable(path, cause);
    }
  }

  async #copyParent(tag: 'a' | 'b'): Promise<void> {
    const { source, sha256 } = this.config.parents[tag];
    const copy = this.parentFile(tag);
    await makeFolder(dirname(copy));
    await copyFile(source, copy, constants.COPYFILE_FICLONE);
    if ((await hashFile(copy)) !== sha256) {
      throw new SutureError('model-unreadable', `${printable(source)} was changed while it was in use; start again.`);
    }
    for (const location of externalFiles(source)) {
      const target = join(dirname(copy), location);
      await makeFolder(dirname(target));
      const file = resolveExternal(dirname(source), location, `'${printable(source)}'`);
      await copyFile(file, target, constants.COPYFILE_FICLONE);
    }
  }

  async #promote(): Promise<void> {
    await promote(this.path, runFileNames);
    this.#root = this.path;
  }

  /** The training has ended and its parameters are written: puts the run in its place. @throws SutureError `output-unwritable`. */
  async finish(): Promise<void> {
    await this.remove('checkpoint');
    if (this.replaces) await this.#promote();
  }

  /**
   * Opens a run directory and checks that the parents are those that it was made with.
   *
   * @throws SutureError `run-invalid`.
   */
  static async open(path: string): Promise<RunDirectory> {
    await settle(path, runFileNames);
    return RunDirectory.#openAt(path, path);
  }

  /** Opens the run whose training is to go on: the one that is to replace the run there, if such a one was begun. */
  static async openUnfinished(path: string): Promise<RunDirectory> {
    await settle(path, runFileNames);
    const next = join(path, nextFolder);
    return RunDirectory.#openAt(path, (await isThere(join(next, runFiles.config))) ? next : path);
  }

  static async #openAt(path: string, root: string): Promise<RunDirectory> {
    const file = join(root, runFiles.config);
    let document: unknown;
    try {
      document = JSON.parse(await readFile(file, 'utf8'));
    } catch (cause) {
      const missing = errno(cause) === 'ENOENT' || errno(cause) === 'ENOTDIR';
      throw new SutureError(
        'run-invalid',
        missing
          ? `${printable(path)} is no run directory: there is no config.json in it; \`suture stitch -o\` makes one.`
          : `${printable(file)} cannot be read as JSON.`,
        { cause },
      );
    }
    const parsed = v.safeParse(configSchema, document);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      const place = v.getDotPath(issue);
      const of = (document as { version?: unknown } | null)?.version;
      const hint = place === 'version' ? ` (the run is of version ${printable(String(of))}, this suture reads 1)` : '';
      throw new SutureError(
        'run-invalid',
        `${printable(file)}: ${place ? `${printable(place)}: ` : ''}${printable(issue.message)}${hint}.`,
      );
    }
    const run = new RunDirectory(path, root, parsed.output);
    for (const tag of ['a', 'b'] as const) await run.#checkParent(tag);
    return run;
  }

  async #checkParent(tag: 'a' | 'b'): Promise<void> {
    const file = this.parentFile(tag);
    const found = await hashFile(file).catch((cause: unknown) => {
      throw new SutureError('run-invalid', `${printable(file)} cannot be read: the run is incomplete.`, { cause });
    });
    if (found !== this.config.parents[tag].sha256) {
      throw new SutureError(
        'run-invalid',
        `${printable(file)} is not the network that the run was made with: its SHA-256 is ${found}.`,
      );
    }
  }

  has(name: keyof typeof runFiles): Promise<boolean> {
    return isThere(this.file(name));
  }

  /** Writes one of the run's files, replacing what a part of the same run wrote there before. */
  write(name: keyof typeof runFiles, content: string | Uint8Array): Promise<void> {
    return writeOutput(this.file(name), content, { force: true });
  }

  writeTensors(
    name: 'parameters' | 'checkpoint' | 'weights' | 'weighing',
    tensors: ReadonlyMap<string, Tensor>,
    state?: unknown,
  ): Promise<void> {
    return this.write(name, tensorsToNpz(tensors, state));
  }

  /** Tensors of the run; undefined when the file is not there. @throws SutureError `run-invalid`. */
  async readTensors(
    name: 'parameters' | 'checkpoint' | 'weights' | 'weighing',
  ): Promise<ReturnType<typeof tensorsFromNpz> | undefined> {
    const bytes = await this.#read(name);
    return bytes && tensorsFromNpz(bytes, this.file(name));
  }

  /** One of the run's JSON documents, checked; undefined when it is not there. @throws SutureError `run-invalid`. */
  async readJson<S extends v.GenericSchema>(
    name: 'pairs' | 'sweep' | 'front' | 'reportJson',
    schema: S,
  ): Promise<v.InferOutput<S> | undefined> {
    const bytes = await this.#read(name);
    if (!bytes) return undefined;
    try {
      return v.parse(schema, JSON.parse(bytes.toString('utf8')));
    } catch (cause) {
      throw new SutureError('run-invalid', `${printable(this.file(name))} is damaged.`, { cause });
    }
  }

  async #read(name: keyof typeof runFiles): Promise<Buffer | undefined> {
    try {
      return await readFile(this.file(name));
    } catch (cause) {
      if (errno(cause) === 'ENOENT') return undefined;
      throw new SutureError('run-invalid', `${printable(this.file(name))} cannot be read.`, { cause });
    }
  }

  /** The lines of `metrics.jsonl`. @throws SutureError `run-invalid`. */
  async readMetrics<S extends v.GenericSchema>(schema: S): Promise<readonly v.InferOutput<S>[]> {
    const bytes = await this.#read('metrics');
    try {
      const lines = (bytes?.toString('utf8') ?? '').split('\n').filter(line => line !== '');
      return lines.map(line => v.parse(schema, JSON.parse(line)));
    } catch (cause) {
      throw new SutureError('run-invalid', `${printable(this.file('metrics'))} is damaged.`, { cause });
    }
  }

  /** Removes one of the run's files. */
  async remove(name: keyof typeof runFiles): Promise<void> {
    await rm(this.file(name), { force: true });
  }

  /** Removes what a process that was killed left half-written. */
  async removeTemporaries(): Promise<void> {
    for (const name of await readdir(this.#root)) {
      if (/\.\d+-\d+\.tmp$/.test(name)) await rm(join(this.#root, name), { force: true });
    }
  }

  /**
   * Opens the metrics for appending, cut to the first `bytes`: what came after a checkpoint is computed again.
   *
   * @throws SutureError `run-invalid` when there are fewer, `output-unwritable`.
   */
  async openMetrics(bytes = 0): Promise<MetricsFile> {
    const path = this.file('metrics');
    try {
      if (bytes > 0) {
        const { size } = await stat(path);
        if (size < bytes) {
          const text = `${printable(path)} has ${size} bytes, and the checkpoint was written when it had ${bytes}: it is damaged.`;
          throw new SutureError('run-invalid', text);
        }
        await truncate(path, bytes);
      }
      return new MetricsFile(path, await open(path, bytes === 0 ? 'w' : 'a'), bytes);
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }
}

/** JSON lines, appended. */
export class MetricsFile {
  readonly #path: string;
  readonly #file: Awaited<ReturnType<typeof open>>;
  #bytes: number;

  constructor(path: string, file: Awaited<ReturnType<typeof open>>, bytes: number) {
    this.#path = path;
    this.#file = file;
    this.#bytes = bytes;
  }

  /** How long the file is. */
  get bytes(): number {
    return this.#bytes;
  }

  async append(entry: unknown): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      await this.#file.appendFile(line);
    } catch (cause) {
      throw unwritable(this.#path, cause);
    }
    this.#bytes += line.length;
  }

  /** Forces the lines so far to the disk, so that a checkpoint may refer to them. */
  async sync(): Promise<void> {
    await this.#file.datasync().catch((cause: unknown) => {
      throw unwritable(this.#path, cause);
    });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
