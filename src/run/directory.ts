/** A run directory: what `docs/files.md` describes, written and read. */
import { constants } from 'node:fs';
import { access, copyFile, lstat, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import { hashFile } from '../files/hash.ts';
import { jsonText, makeFolder, unwritable, writeOutput } from '../files/output.ts';
import { configSchema, type RunConfig } from './config.ts';
import { externalFiles } from './external.ts';
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
  sweep: 'sweep.json',
  front: 'front.json',
  model: 'stitched.onnx',
  reportJson: 'report.json',
  reportText: 'report.md',
} as const;

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
  if (present.length === 0) return;
  const isRun = present.includes(runFiles.config);
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

  private constructor(path: string, config: RunConfig) {
    this.path = path;
    this.config = config;
  }

  file(name: keyof typeof runFiles): string {
    return join(this.path, runFiles[name]);
  }

  parentFile(tag: 'a' | 'b'): string {
    return join(this.path, this.config.parents[tag].file);
  }

  /**
   * Makes a run directory with the parents copied into it. `config.json` is written last: a folder without it is no run.
   *
   * @throws SutureError as {@link checkRunOutput}.
   */
  static async create(
    path: string,
    config: RunConfig,
    pairs: unknown,
    options: { readonly force?: boolean } = {},
  ): Promise<RunDirectory> {
    await checkRunOutput(path, options);
    for (const { source } of [config.parents.a, config.parents.b]) {
      if (!relative(resolve(path), resolve(source)).startsWith('..')) {
        throw new SutureError(
          'option-invalid',
          `${printable(source)} lies in the run directory that it is to be replaced in.`,
        );
      }
    }
    const run = new RunDirectory(path, config);
    const fresh = !(await lstat(path).then(
      () => true,
      () => false,
    ));
    try {
      for (const name of Object.values(runFiles)) await rm(join(path, name), { recursive: true, force: true });
      for (const tag of ['a', 'b'] as const) {
        const { source, file } = config.parents[tag];
        await makeFolder(dirname(join(path, file)));
        await copyFile(source, join(path, file), constants.COPYFILE_FICLONE);
        for (const location of externalFiles(source)) {
          const target = join(dirname(join(path, file)), location);
          await makeFolder(dirname(target));
          await copyFile(join(dirname(source), location), target, constants.COPYFILE_FICLONE);
        }
      }
      await writeOutput(run.file('pairs'), jsonText(pairs));
      await writeOutput(run.file('config'), jsonText(config));
    } catch (cause) {
      if (fresh) await rm(path, { recursive: true, force: true }).catch(() => undefined);
      throw unwritable(path, cause);
    }
    return run;
  }

  /**
   * Opens a run directory and checks that the parents are those that it was made with.
   *
   * @throws SutureError `run-invalid`.
   */
  static async open(path: string): Promise<RunDirectory> {
    const file = join(path, runFiles.config);
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
    const run = new RunDirectory(path, parsed.output);
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

  /** Writes one of the run's files, replacing what a part of the same run wrote there before. */
  write(name: keyof typeof runFiles, content: string | Uint8Array): Promise<void> {
    return writeOutput(this.file(name), content, { force: true });
  }

  writeTensors(
    name: 'parameters' | 'checkpoint' | 'weights',
    tensors: ReadonlyMap<string, Tensor>,
    state?: unknown,
  ): Promise<void> {
    return this.write(name, tensorsToNpz(tensors, state));
  }

  /** Tensors of the run; undefined when the file is not there. @throws SutureError `run-invalid`. */
  async readTensors(
    name: 'parameters' | 'checkpoint' | 'weights',
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

  /** Removes one of the run's files. */
  async remove(name: keyof typeof runFiles): Promise<void> {
    await rm(this.file(name), { force: true });
  }

  /** Removes what a process that was killed left half-written. */
  async removeTemporaries(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (/\.\d+-\d+\.tmp$/.test(name)) await rm(join(this.path, name), { force: true });
    }
  }

  /** Opens the metrics for appending, cut to the first `bytes`: what came after a checkpoint is computed again. */
  async openMetrics(bytes = 0): Promise<MetricsFile> {
    const path = this.file('metrics');
    try {
      const file = await open(path, bytes === 0 ? 'w' : 'a');
      if (bytes > 0) await truncate(path, bytes);
      return new MetricsFile(path, file, bytes);
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
