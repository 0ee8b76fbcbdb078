/**
 * Which sizes of kernels were measured to be best, on disk: one file for each adapter in the user's cache directory. Sizes never
 * change numbers, so a file that is missing, damaged or old costs speed and nothing else: it is ignored, with a word.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectories, ensurePrivate } from '../adapter/cache.ts';
import type { AdapterClass, AdapterFacts } from '../adapter/facts.ts';
import { ownFolder } from '../package.ts';
import type { Measurements } from './tuning.ts';

/** What makes two adapters the same for measurements. */
interface Identity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  /** Where the platform has it, the driver's version is part of it. */
  readonly description: string;
  readonly driver: string;
  readonly kernels: AdapterClass;
}

function identityOf(facts: AdapterFacts, kernels: AdapterClass): Identity {
  const { vendor, architecture, device, description, driver } = facts;
  return { vendor, architecture, device, description, driver: driver?.packageVersion ?? '', kernels };
}

const digest = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

let version: string | undefined;

/** The version of the code that generates kernels: a hash of it, as it lies in the package. Empty where it does not. */
function kernelVersion(): string {
  if (version !== undefined) return version;
  const extension = extname(fileURLToPath(import.meta.url));
  const folder = join(ownFolder, extension === '.js' ? 'dist' : '', 'runtime', 'kernels');
  try {
    const files = readdirSync(folder).filter(f => extname(f) === extension && !f.endsWith('.d.ts'));
    version = digest(
      files
        .sort()
        .map(f => digest(readFileSync(join(folder, f))))
        .join(),
    );
  } catch {
    version = '';
  }
  return version;
}

/** A file as it is written. */
interface ChoiceFile {
  readonly format: 'suture-kernels';
  readonly adapter: Identity;
  readonly version: string;
  /** The name of the best candidate, by the key of the choice. */
  readonly choices: Readonly<Record<string, string>>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The choices of a file's text, or in words why it has none. */
function parse(text: string, identity: Identity): ReadonlyMap<string, string> | string {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return 'is damaged';
  }
  if (!isRecord(file) || file.format !== 'suture-kernels') return 'is no file of kernel measurements';
  if (JSON.stringify(file.adapter) !== JSON.stringify(identity)) return 'is of another adapter';
  if (file.version !== kernelVersion()) return 'is of another version of the kernels';
  const choices = isRecord(file.choices) ? Object.entries(file.choices) : [];
  if (!isRecord(file.choices) || choices.some(([, name]) => typeof name !== 'string')) return 'is damaged';
  return new Map(choices as [string, string][]);
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** The measurements of one adapter. */
export class KernelChoices implements Measurements {
  readonly measured = new Map<string, string>();
  readonly #identity: Identity;
  readonly #name: string;
  readonly #directories: readonly string[];
  readonly #warn: (sentence: string) => void;

  private constructor(identity: Identity, directories: readonly string[], warn: (sentence: string) => void) {
    this.#identity = identity;
    this.#name = `kernels-${digest(JSON.stringify(identity))}.json`;
    this.#directories = directories;
    this.#warn = warn;
  }

  /**
   * Reads what was measured on an adapter.
   *
   * @param kernels the class of code that is measured.
   * @param warn takes a sentence where a file cannot serve, or not be written.
   */
  static async open(
    facts: AdapterFacts,
    kernels: AdapterClass,
    warn: (sentence: string) => void = warning,
    directories: readonly string[] = cacheDirectories(),
  ): Promise<KernelChoices> {
    const choices = new KernelChoices(identityOf(facts, kernels), directories, warn);
    for (const directory of directories) if (await choices.#read(join(directory, choices.#name))) break;
    return choices;
  }

  /** Adds what a file holds. Returns whether there was a file. */
  async #read(path: string): Promise<boolean> {
    try {
      const found = parse(await readFile(path, 'utf8'), this.#identity);
      if (typeof found === 'string') {
        this.#warn(`The measurements in ${path} are not used: the file ${found}; --tune measures anew.`);
      } else for (const [key, name] of found) if (!this.measured.has(key)) this.measured.set(key, name);
      return true;
    } catch (error) {
      if (!isMissing(error)) this.#warn(`The measurements in ${path} cannot be read (${reason(error)}).`);
      return false;
    }
  }

  /** Keeps what was measured since, for all later sessions on the adapter. What another process measured meanwhile stays. */
  async save(): Promise<void> {
    const failures: string[] = [];
    for (const directory of this.#directories) {
      const path = join(directory, this.#name);
      const fresh = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.new`;
      try {
        await ensurePrivate(directory);
        const before = parse(await readFile(path, 'utf8').catch(() => ''), this.#identity);
        const file: ChoiceFile = {
          format: 'suture-kernels',
          adapter: this.#identity,
          version: kernelVersion(),
          choices: Object.fromEntries([...(typeof before === 'string' ? [] : before), ...this.measured]),
        };
        await writeFile(fresh, `${JSON.stringify(file, undefined, 1)}\n`, { mode: 0o600 });
        await rename(fresh, path);
        return;
      } catch (error) {
        await rm(fresh, { force: true }).catch(() => undefined);
        failures.push(`${directory}: ${reason(error)}`);
      }
    }
    this.#warn(
      `What was measured is used now but not kept: no cache directory can be written (${failures.join('; ')}).`,
    );
  }
}

/** Node's own channel for what a library has to say: a line on standard error, which programs can listen to instead. */
const warning = (sentence: string): void => process.emitWarning(sentence, { code: 'SUTURE_TUNING' });
