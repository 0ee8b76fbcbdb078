/** A folder whose files are one whole, each sealed to what it belongs to: run directories and those of students. */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import { jsonText, makeFolder, unwritable, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { MetricsFile, type MetricsState } from './metrics.ts';
import { readBelow } from './reading.ts';
import { isFolderThere, nextFolder, promote, recover } from './replacement.ts';
import { checkedSeal, sealed } from './seal.ts';
import { tensorsFromNpz, tensorsToNpz } from './tensors.ts';

/** What is stored beside tensors, and the tensors. */
export interface SealedArrays {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly state: unknown;
  readonly seal: string;
}

/** What a sealed file belongs to: the configuration, or what was trained. */
export type Owner = 'config' | 'parameters';

/** Names that every such folder has files under. */
type Common = 'config' | 'parameters' | 'metrics' | 'checkpoint';

/**
 * @template T the names of files that hold tensors and are sealed, but for the parameters.
 * @template D the same of JSON documents, but for the configuration.
 * @template F the names of other files.
 */
export interface Layout<T extends string, D extends string, F extends string> {
  readonly files: Readonly<Record<Common | T | D | F, string>>;
  readonly owners: Readonly<Record<'parameters' | T | D, Owner>>;
  /** How each file that does not fit comes about again. */
  readonly remedies: Readonly<Record<'parameters' | T | D, string>>;
  /** What is said of a file that belongs to another owner than it should. */
  readonly foreign: Readonly<Record<Owner, string>>;
}

/**
 * The configuration of a sealed folder, and its seal.
 *
 * @throws SutureError `run-invalid`, and what is said where there is none or it is of another version.
 */
export async function readSealedConfig<S extends v.GenericSchema>(
  root: string,
  schema: S,
  {
    missing,
    otherFormat,
    otherVersion,
  }: { missing(): SutureError; otherFormat(): SutureError; otherVersion(version: unknown): SutureError },
): Promise<{ readonly config: v.InferOutput<S>; readonly seal: string }> {
  const file = printable(join(root, configFile));
  const bytes = await readBelow(root, configFile);
  if (!bytes) throw missing();
  let document: unknown;
  let seal: string | undefined;
  try {
    document = JSON.parse(bytes.toString('utf8'));
    seal = checkedSeal(document);
  } catch (cause) {
    throw new SutureError('run-invalid', `${file} cannot be read as JSON.`, { cause });
  }
  const parsed = v.safeParse(schema, document);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const place = v.getDotPath(issue);
    if (place === 'format') throw otherFormat();
    if (place === 'version') throw otherVersion((document as { readonly version?: unknown }).version);
    throw new SutureError(
      'run-invalid',
      `${file}: ${place ? `${printable(place)}: ` : ''}${printable(issue.message)}.`,
    );
  }
  if (seal === undefined) {
    throw new SutureError(
      'run-invalid',
      `${file} was changed after it was written; put it back as it was, or train anew with other settings.`,
    );
  }
  return { config: parsed.output, seal };
}

/** The file that every sealed folder begins with. */
const configFile = 'config.json';

/**
 * Makes a folder's files in one inside it, of which nothing is left where that fails.
 *
 * @param files what the folder has when it is whole. @throws SutureError `output-unwritable`, and what `make` throws.
 */
export async function makeNext<R>(
  path: string,
  files: readonly string[],
  make: (root: string) => Promise<R>,
): Promise<R> {
  const root = join(path, nextFolder);
  try {
    await recover(path, files);
    await rm(root, { recursive: true, force: true });
    await makeFolder(root);
    return await make(root);
  } catch (cause) {
    await rm(root, { recursive: true, force: true }).catch(() => undefined);
    throw unwritable(path, cause);
  }
}

/** Where the files are of what is not in its place yet, if such a one was begun; else `path`. */
export async function unfinishedRoot(path: string): Promise<string> {
  const next = join(path, nextFolder);
  return (await isFolderThere(next)) && (await isThere(join(next, configFile))) ? next : path;
}

/** Where a sealed folder is, or is to be, and where its files are: there, or in a folder inside it. */
export interface Place {
  readonly path: string;
  readonly root: string;
}

/** Makes the error for a file that is not what it should be. @param problem what it is or was, after its name. */
type Unfit = (problem: string, cause?: unknown) => SutureError;

export abstract class SealedFolder<T extends string, D extends string, F extends string, C extends object> {
  readonly path: string;
  readonly config: C;
  /** Of the configuration: the same for folders that were made in the same way of the same files. */
  readonly seal: string;
  #root: string;
  readonly #layout: Layout<T, D, F>;
  readonly #seals: { readonly config: string; parameters?: string };

  protected constructor(
    layout: Layout<T, D, F>,
    { path, root }: Place,
    { config, seal }: { readonly config: C; readonly seal: string },
  ) {
    this.path = path;
    this.config = config;
    this.seal = seal;
    this.#root = root;
    this.#layout = layout;
    this.#seals = { config: seal };
  }

  /** Where the files are. */
  protected get root(): string {
    return this.#root;
  }

  /** Puts the files in their place, if they are not there. @throws SutureError `output-unwritable`. */
  protected async promote(): Promise<void> {
    if (this.#root === this.path) return;
    await promote(this.path, Object.values<string>(this.#layout.files));
    this.#root = this.path;
  }

  /** The training has ended, and all that it leaves is written: puts it in its place. @throws SutureError `output-unwritable`. */
  async finish(): Promise<void> {
    await this.remove('checkpoint');
    await this.promote();
  }

  file(name: Common | T | D | F): string {
    return join(this.root, this.#layout.files[name]);
  }

  has(name: Common | T | D | F): Promise<boolean> {
    return isThere(this.file(name));
  }

  /** Writes one of the run's files, replacing what a part of the same run wrote there before. */
  write(name: Common | T | D | F, content: string | Uint8Array): Promise<void> {
    return writeOutput(this.file(name), content, { force: true });
  }

  /** Writes tensors and a document beside them, sealed. */
  async writeTensors(name: 'parameters' | T, tensors: ReadonlyMap<string, Tensor>, state: object = {}): Promise<void> {
    const document = sealed({ ...state, of: await this.#owner(name) }, tensors);
    await this.write(name, tensorsToNpz(tensors, document));
    if (name === 'parameters') this.#seals.parameters = document.seal;
  }

  /** Tensors of the run; undefined when the file is not there. @throws SutureError `run-invalid`. */
  async readTensors(name: 'parameters' | T): Promise<SealedArrays | undefined> {
    const bytes = await this.read(name);
    if (!bytes) return undefined;
    const { tensors, state } = tensorsFromNpz(bytes, this.file(name));
    const bad = [...tensors].find(([, { data }]) => !(data as Float32Array).every(Number.isFinite));
    if (bad) throw this.#unfit(name, `holds numbers that are not finite, in '${printable(bad[0])}'`);
    const seal = await this.#checkSeal(name, state, tensors);
    if (name === 'parameters') this.#seals.parameters = seal;
    return { tensors, state, seal };
  }

  /** The seal of the parameters: equal text, equal parameters of an equal configuration. */
  parametersSeal(): Promise<string> {
    return this.#sealOf('parameters');
  }

  /** Writes a JSON document, sealed. */
  async writeJson(name: D, document: object): Promise<void> {
    await this.write(name, jsonText(sealed({ ...document, of: await this.#owner(name) })));
  }

  /** One of the run's JSON documents, checked; undefined when it is not there. @throws SutureError `run-invalid`. */
  async readJson<S extends v.GenericSchema>(name: D, schema: S): Promise<v.InferOutput<S> | undefined> {
    const unfit: Unfit = (problem, cause) => this.#unfit(name, problem, cause);
    return this.#document(name, schema, unfit, document => this.#checkSeal(name, document));
  }

  /** A JSON document that has no seal, checked; undefined when it is not there. @throws SutureError `run-invalid`. */
  async readUnsealed<S extends v.GenericSchema>(name: F, schema: S): Promise<v.InferOutput<S> | undefined> {
    const file = printable(this.file(name));
    const unfit: Unfit = (problem, cause) =>
      new SutureError('run-invalid', `${file} ${problem}; remove it to go without.`, { cause });
    return this.#document(name, schema, unfit);
  }

  /** @param checkSeal of one that has a seal. */
  async #document<S extends v.GenericSchema>(
    name: D | F,
    schema: S,
    unfit: Unfit,
    checkSeal?: (document: unknown) => Promise<unknown>,
  ): Promise<v.InferOutput<S> | undefined> {
    const bytes = await this.read(name);
    if (!bytes) return undefined;
    let document: unknown;
    try {
      document = JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      throw unfit('is no JSON document', cause);
    }
    await checkSeal?.(document);
    const { success, output, issues: [issue] = [] } = v.safeParse(schema, document);
    if (success) return output;
    const fault = checkSeal ? 'is damaged' : 'is damaged or of another version of suture';
    throw unfit(`${fault} (${printable(v.getDotPath(issue!) ?? issue!.message)})`);
  }

  /** The seal that a file of a name belongs to. */
  async #owner(name: 'parameters' | T | D): Promise<string> {
    return this.#sealOf(this.#layout.owners[name], name);
  }

  async #sealOf(owner: Owner, name: string = owner): Promise<string> {
    const seal = this.#seals[owner] ?? (await this.readTensors('parameters'))?.seal;
    if (seal === undefined) throw new RangeError(`${name} asks for parameters that were not written`);
    return seal;
  }

  async #checkSeal(
    name: 'parameters' | T | D,
    document: unknown,
    tensors?: ReadonlyMap<string, Tensor>,
  ): Promise<string> {
    let seal: string | undefined;
    try {
      seal = checkedSeal(document, tensors);
    } catch (cause) {
      throw this.#unfit(name, 'is damaged', cause);
    }
    if (seal === undefined) throw this.#unfit(name, 'was changed after it was written');
    if ((document as { readonly of?: unknown }).of === (await this.#owner(name))) return seal;
    throw this.#unfit(name, this.#layout.foreign[this.#layout.owners[name]]);
  }

  /** The error for a file that is not what it should be. @param problem what it is or was, after its name. */
  #unfit(name: 'parameters' | T | D, problem: string, cause?: unknown): SutureError {
    return new SutureError('run-invalid', `${printable(this.file(name))} ${problem}; ${this.#layout.remedies[name]}.`, {
      cause,
    });
  }

  protected read(name: Common | T | D | F): Promise<Buffer | undefined> {
    return readBelow(this.root, this.#layout.files[name]);
  }

  /** The lines of `metrics.jsonl`. @throws SutureError `run-invalid`. */
  async readMetrics<S extends v.GenericSchema>(schema: S): Promise<readonly v.InferOutput<S>[]> {
    const bytes = await this.read('metrics');
    try {
      const lines = (bytes?.toString('utf8') ?? '').split('\n').filter(line => line !== '');
      return lines.map(line => v.parse(schema, JSON.parse(line)));
    } catch (cause) {
      throw new SutureError('run-invalid', `${printable(this.file('metrics'))} is damaged.`, { cause });
    }
  }

  /** Removes one of the run's files. */
  async remove(name: Common | T | D | F): Promise<void> {
    await rm(this.file(name), { force: true });
  }

  /** Removes what a process that was killed left half-written. */
  async removeTemporaries(): Promise<void> {
    for (const name of await readdir(this.root)) {
      if (/\.\d+-\d+\.tmp$/.test(name)) await rm(join(this.root, name), { force: true });
    }
  }

  /** Opens the metrics for appending, from the start or from where a checkpoint was. @throws SutureError as `MetricsFile.begin`. */
  async openMetrics(from?: MetricsState): Promise<MetricsFile> {
    const before = from && (await this.read('metrics'));
    return MetricsFile.begin(this.file('metrics'), before ?? new Uint8Array(), from);
  }
}
