/** The folder of a study: the state on disk is the whole state. See `docs/study.md`. */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { readRegular } from '../files/input.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { metricNames } from '../metrics/metric.ts';
import { differenceSchema, scoreSchema } from '../metrics/schema.ts';
import { runFiles } from '../run/files.ts';
import { lockFile, type Writer, withNewLock, writerOf } from '../run/lock.ts';
import { type Cell, cellsOf } from './cells.ts';
import { readStudy, type StudyRequest } from './request.ts';

/** A network's scores on the test data of one site. */
const testSchema = v.object({
  site: v.string(),
  /** The SHA-256 of its test data, of a network alone. */
  data: v.optional(v.string()),
  value: scoreSchema,
  pooled: scoreSchema,
  classes: v.array(v.object({ name: v.string(), mean: scoreSchema })),
  /** This network less another on the same images, in the direction that is better, with its paired interval: `alone a`, `ensemble`. */
  against: v.array(
    v.object({
      ...{ network: v.string(), ...differenceSchema.entries },
      /** The same of each class. */
      classes: v.optional(v.array(differenceSchema), []),
    }),
  ),
});

export type TestScores = v.InferOutput<typeof testSchema>;

const positionSchema = v.object({
  position: v.number(),
  depth: v.optional(v.number()),
  validation: scoreSchema,
  /** By sites. */
  tests: v.record(v.string(), scoreSchema),
});

export type PositionScores = v.InferOutput<typeof positionSchema>;

/** What a cell came to. */
const resultSchema = v.object({
  /** The network that was scored, relative to the study's folder, or where a site has it. */
  network: v.optional(v.string()),
  metric: v.optional(v.picklist(metricNames)),
  higherIsBetter: v.optional(v.boolean()),
  tests: v.optional(v.array(testSchema)),
  /** Every position stitched alone, of a run. */
  positions: v.optional(v.array(positionSchema)),
  /** Of a run: the score on the own test data with so many positions stitched at once. */
  curve: v.optional(v.array(v.object({ count: v.number(), value: scoreSchema }))),
  /** What was chosen, in words. */
  note: v.optional(v.string()),
});

export type CellResult = v.InferOutput<typeof resultSchema>;

const recordSchema = v.object({
  format: v.literal('suture-cell'),
  version: v.literal(1),
  key: v.string(),
  kind: v.string(),
  sites: v.array(v.string()),
  seed: v.number(),
  fold: v.optional(v.number()),
  needs: v.array(v.string()),
  status: v.picklist(['begun', 'done', 'failed']),
  /** Of the process that ended it; a cell that was interrupted counts all its processes. */
  seconds: v.number(),
  /** The most memory that a process of it had at once. */
  peakBytes: v.number(),
  error: v.optional(v.string()),
  result: v.optional(resultSchema),
});

export type CellRecord = v.InferOutput<typeof recordSchema>;

/** `waiting` for others, `blocked` by one that failed, `interrupted` where no process works on what was begun. */
export type CellStatus = 'done' | 'failed' | 'running' | 'interrupted' | 'blocked' | 'waiting' | 'ready';

export interface CellState {
  readonly cell: Cell;
  readonly status: CellStatus;
  readonly record: CellRecord | undefined;
  /** The process that works on it, or that left it without a word. */
  readonly writer?: Writer | undefined;
}

const files = { request: 'request.json', cells: 'cells', record: 'cell.json', log: 'log.txt' } as const;

export class StudyFolder {
  readonly path: string;
  readonly request: StudyRequest;
  readonly cells: readonly Cell[];

  private constructor(path: string, request: StudyRequest, cells: readonly Cell[]) {
    this.path = resolve(path);
    this.request = request;
    this.cells = cells;
  }

  /**
   * Makes a study's folder, or finds it with the same or another description: cells whose inputs are the same stay, others are new.
   *
   * @param isLocked whether the caller holds the folder's lock; else it is taken where something has to be written.
   * @throws SutureError `output-exists` for a folder that holds something else; `run-locked` for another description while the one that is
   * there is computed, by cells that read it; as `cellsOf`.
   */
  static async make(path: string, request: StudyRequest, isLocked = false): Promise<StudyFolder> {
    const present = (await readdir(path).catch(() => [] as string[])).filter(name => name !== lockFile);
    if (present.length > 0 && !present.includes(files.request)) {
      throw new SutureError(
        'output-exists',
        `${printable(path)} holds other files than a study's; choose another folder.`,
      );
    }
    const folder = new StudyFolder(path, request, await cellsOf(request));
    if (await folder.isOf(request)) return folder;
    const text = jsonText(request);
    await (isLocked ? folder.#describe(text) : withNewLock(path, () => folder.#describe(text)));
    return folder;
  }

  /** Whether it is kept here that the study is of this. */
  async isOf(request: StudyRequest): Promise<boolean> {
    const kept = await readRegular(this.requestFile).catch(() => undefined);
    return kept?.toString('utf8') === jsonText(request);
  }

  async #describe(text: string): Promise<void> {
    await makeFolder(join(this.path, files.cells));
    for (const key of await readdir(join(this.path, files.cells))) {
      const writer = await writerOf(this.folderOf({ key }));
      if (!writer || writer.isGone) continue;
      throw new SutureError(
        'run-locked',
        `${printable(this.path)} holds another description, and its cell ${printable(key)} is being computed by ` +
          `${printable(writer.name)}; wait until that has ended, or choose another folder.`,
      );
    }
    await writeOutput(this.requestFile, text, { force: true });
  }

  /** @throws SutureError `study-invalid`. */
  static async open(path: string): Promise<StudyFolder> {
    const file = join(path, files.request);
    if (!(await isThere(file))) {
      throw new SutureError('study-invalid', `${printable(path)} is no study's folder; \`suture study -o\` makes one.`);
    }
    const request = await readStudy(file);
    return new StudyFolder(path, request, await cellsOf(request));
  }

  folderOf({ key }: Pick<Cell, 'key'>): string {
    return join(this.path, files.cells, key);
  }

  get requestFile(): string {
    return join(this.path, files.request);
  }

  recordOf(cell: Pick<Cell, 'key'>): string {
    return join(this.folderOf(cell), files.record);
  }

  logOf(cell: Pick<Cell, 'key'>): string {
    return join(this.folderOf(cell), files.log);
  }

  /** The page of a cell's stitches, as a link of the study's page has it; undefined of a cell that has none. */
  pageOf({ key, kind }: Pick<Cell, 'key' | 'kind'>): string | undefined {
    return kind === 'run' ? `${files.cells}/${key}/run/${runFiles.page}` : undefined;
  }

  cell(key: string): Cell {
    const found = this.cells.find(cell => cell.key === key);
    if (found) return found;
    throw new SutureError('study-invalid', `${printable(this.path)} has no cell ${printable(key)}.`);
  }

  /**
   * What is kept of a cell; undefined where it was not begun. What cannot be read is that of a cell that failed, and a network alone that was
   * not scored on the test data of every site has not ended.
   */
  async record(cell: Cell): Promise<CellRecord | undefined> {
    const file = this.recordOf(cell);
    if (!(await isThere(file))) return undefined;
    try {
      const record = v.parse(recordSchema, JSON.parse((await readRegular(file)).toString('utf8')));
      return record.status === 'done' && !hasAllTests(cell, record) ? { ...record, status: 'begun' } : record;
    } catch {
      const error = `${printable(file)} is damaged; the cell is computed again with the study.`;
      return this.#recordOf(cell, { status: 'failed', seconds: 0, peakBytes: 0, error });
    }
  }

  #recordOf({ testData: _, ...cell }: Cell, found: Omit<CellRecord, 'format' | 'version' | keyof Cell>): CellRecord {
    return {
      ...{ format: 'suture-cell', version: 1 },
      ...{ ...cell, sites: [...cell.sites], needs: [...cell.needs] },
      ...found,
    };
  }

  async write(cell: Cell, found: Omit<CellRecord, 'format' | 'version' | keyof Cell>): Promise<void> {
    await makeFolder(this.folderOf(cell));
    await writeOutput(this.recordOf(cell), jsonText(this.#recordOf(cell, found)), { force: true });
  }

  /** Where all cells are, in their order. */
  async states(): Promise<readonly CellState[]> {
    const states = new Map<string, CellState>();
    for (const cell of this.cells) {
      const record = await this.record(cell);
      const needed = cell.needs.map(key => states.get(key)!.status);
      const writer = record && record.status !== 'done' ? await writerOf(this.folderOf(cell)) : undefined;
      states.set(cell.key, { cell, record, status: statusOf(record, writer, needed), ...(writer && { writer }) });
    }
    return [...states.values()];
  }
}

/** Whether a network was scored on what it is to be scored on. */
const hasAllTests = ({ testData = {} }: Cell, { result }: CellRecord): boolean =>
  Object.entries(testData).every(([site, data]) => {
    const test = result?.tests?.find(found => found.site === site);
    return test !== undefined && (test.data ?? data) === data;
  });

function statusOf(
  record: CellRecord | undefined,
  writer: Writer | undefined,
  needed: readonly CellStatus[],
): CellStatus {
  if (record?.status === 'done') return 'done';
  if (writer && !writer.isGone) return 'running';
  if (record?.status === 'failed') return 'failed';
  if (needed.some(status => status === 'failed' || status === 'blocked')) return 'blocked';
  if (record) return 'interrupted';
  return needed.every(status => status === 'done') ? 'ready' : 'waiting';
}
