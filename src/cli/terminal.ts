/** What commands show: tables and sentences for people, or one JSON document for programs. */
import Table from 'cli-table3';
import picocolors from 'picocolors';
import { printable } from '../../ir/errors.ts';
import type { ProgressEvent } from '../execution/progress.ts';
import { jsonText } from '../files/output.ts';
import { progressBar, progressJson, progressLines } from './progress.ts';

/** A stream that text can be written to: `process.stdout`, or a buffer in tests. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Streams {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly env: NodeJS.ProcessEnv;
}

/** A progress display. `update` may be called as often as one likes. */
export interface ProgressDisplay {
  update(event: ProgressEvent): void;
  /** Removes what is drawn, so that other text can follow. */
  stop(): void;
}

export type Cell = string | number | undefined;

type Colours = ReturnType<typeof picocolors.createColors>;

const wantsColour = (stream: TextStream, env: NodeJS.ProcessEnv): boolean =>
  stream.isTTY === true && env.TERM !== 'dumb' && (env.NO_COLOR ?? '') === '';

export { fixed } from '../report/decimals.ts';

/** A count with thin groups of three: `1 234 567`. */
export const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');

const edges = ['top', 'bottom'].flatMap(edge => ['', '-mid', '-left', '-right'].map(at => edge + at));
/** A table's lines and corners, none of which is drawn. */
const noBorders = Object.fromEntries(
  [...edges, 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'].map(line => [line, '']),
);

export class Terminal {
  readonly #streams: Streams;
  #progress: ProgressDisplay;
  /** Colours for standard output, and for standard error. */
  readonly colours: Colours;
  readonly #errorColours: Colours;
  readonly #onWork: () => void;
  #json = false;

  constructor(streams: Streams, onWork: () => void = () => undefined) {
    this.#streams = streams;
    this.#onWork = onWork;
    this.colours = picocolors.createColors(wantsColour(streams.stdout, streams.env));
    this.#errorColours = picocolors.createColors(wantsColour(streams.stderr, streams.env));
    this.#progress = streams.stderr.isTTY ? progressBar(streams.stderr) : progressLines(streams.stderr);
  }

  /** From here on, standard output gets the JSON document and nothing else, and progress is told in lines of JSON. */
  expectJson(json: boolean | undefined): void {
    this.#json = json === true;
    if (this.#json) this.#progress = progressJson(this.#streams.stderr);
  }

  /** The one document of a command, when `--json` was given; otherwise what `show` writes for people. */
  result(document: unknown, show: () => void): void {
    this.#progress.stop();
    if (this.#json) this.#streams.stdout.write(jsonText(document));
    else show();
  }

  /** A line for people on standard output; nothing when JSON was asked for. */
  line(text = ''): void {
    if (this.#json) return;
    this.#progress.stop();
    this.#streams.stdout.write(`${text}\n`);
  }

  /** What was written, in the one form that all commands have for it. @param what it is, as in `the network`. */
  wrote(path: string, what: string): void {
    this.line(`Wrote ${name(path, 200)}: ${what}.`);
  }

  heading(text: string): void {
    this.line(this.colours.bold(text));
  }

  /** A table; columns whose cells are numbers or start with a digit are aligned to the right. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const texts = rows.map(row => row.map(cell => (cell === undefined ? '–' : String(cell))));
    const numeric = head.map((_, i) => texts.length > 0 && texts.every(row => /^(?:[-+]?\d|–|$)/.test(row[i] ?? '')));
    const table = new Table({
      head: head.map(text => this.colours.bold(text)),
      colAligns: numeric.map(right => (right ? 'right' : 'left')),
      style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
      chars: noBorders,
    });
    table.push(...texts);
    for (const row of table.toString().split('\n')) this.line(row.trimEnd());
  }

  /** A remark on standard error: warnings, what is going on. */
  remark(text: string): void {
    this.#progress.stop();
    this.#streams.stderr.write(`${text}\n`);
  }

  warning(text: string): void {
    this.remark(`${this.#errorColours.yellow('warning')} ${text}`);
  }

  /** An error: a sentence, then a line for every detail. */
  error(message: string, details: readonly string[] = []): void {
    this.remark(`${this.#errorColours.red('error')} ${message}`);
    for (const detail of details) this.remark(`  ${detail}`);
  }

  /** For `onProgress` of the API. */
  readonly progress = (event: ProgressEvent): void => {
    this.#onWork();
    this.#progress.update(event);
  };

  finish(): void {
    this.#progress.stop();
  }
}

/** Names from files, for tables. */
export const name = (text: string, limit = 60): string => printable(text, limit);
