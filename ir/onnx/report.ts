/** What an import has to say: problems, all at once, and warnings, each once. */
import { clause, type ErrorCode, printable, SutureError } from '../errors.ts';
import { isSutureOp, type OpName, operators } from '../ops/index.ts';
import { foreign } from './foreign/index.ts';
import { sequences } from './sequences.ts';

/** Codes of import warnings. A code is stable. */
const importWarnings = {
  'training-mode': 'a node was exported in training mode and is read in inference mode',
  'input-default': 'an input has a default value in the file; it became a constant',
  'baked-batch': 'a Reshape holds the batch size of the export in spite of a dynamic batch axis',
  'unused-initializer': 'an initializer that nothing reads was left out',
  'field-dropped': 'the file says something that a graph cannot hold',
  'function-inlined': 'calls of a model-local function were replaced by its nodes',
  'newer-opset': 'the file asks for an operator set newer than the newest that is known',
} as const;

export type ImportWarningCode = keyof typeof importWarnings;

/** Something that a user should know of an import that went well. */
export interface ImportWarning {
  readonly code: ImportWarningCode;
  /** One sentence: what, where, and what was done. */
  readonly message: string;
}

/** Why a node, an input or a tensor can't be expressed. */
interface ImportProblem {
  /** Problems of one subject are shown together, e.g. all nodes of an operator. */
  readonly subject: string;
  readonly node?: string;
  /** Said once for each subject when there is no node, else for each node that says something of its own. */
  readonly message: string;
  /** Default `model-unsupported`. */
  readonly code?: ErrorCode;
}

/** Errors of these codes are about the file, not about what it asks for. */
const codesOfFiles: readonly ErrorCode[] = ['model-unreadable', 'model-external-data'];

/** Lines of an error; a file that has more problems has them all of a kind. */
const MOST_LINES = 100;

/** Places that a warning names. */
const MOST_PLACES = 4;

/** A list for people, the first few of many. */
const fewOf = (texts: readonly string[], most: number): string =>
  texts.length > most ? `${texts.slice(0, most).join(', ')} and ${texts.length - most} more` : texts.join(', ');

/** Names in a list for people, the first few of many. */
export const listed = (names: readonly string[]): string =>
  fewOf(
    names.map(name => `'${printable(name, 80)}'`),
    8,
  );

/** Collects while an import goes on. */
export class ImportReport {
  readonly #problems: ImportProblem[] = [];
  readonly #warnings = new Map<
    string,
    { readonly code: ImportWarningCode; readonly text: string; readonly where: string[] }
  >();

  problem(problem: ImportProblem): void {
    this.#problems.push(problem);
  }

  /** An error as a problem of a node, or of the subject itself. */
  caught({ code, message }: SutureError, subject: string, node?: string): void {
    const ofFile = codesOfFiles.includes(code);
    this.problem({
      subject,
      message: clause(message),
      ...(node === undefined ? {} : { node }),
      ...(ofFile ? { code } : {}),
    });
  }

  /** Warnings with the same text are said once, for all that `where` names: a sentence without its full stop, then. */
  warn(code: ImportWarningCode, text: string, where?: string): void {
    const key = `${code} ${text}`;
    const warning = this.#warnings.get(key) ?? { code, text, where: [] };
    this.#warnings.set(key, warning);
    if (where !== undefined && !warning.where.includes(where)) warning.where.push(where);
  }

  get problems(): readonly ImportProblem[] {
    return this.#problems;
  }

  get warnings(): readonly ImportWarning[] {
    return [...this.#warnings.values()].map(({ code, text, where }) => ({
      code,
      message: where.length === 0 ? text : `${text}: ${fewOf(where, MOST_PLACES)}.`,
    }));
  }

  /**
   * Ends the import when there was a problem.
   *
   * @throws SutureError with a line for every subject and message in `details`, the first hundred of them. Its code is
   * `model-unsupported`, or what all problems have in common: `model-unreadable`, `model-external-data`.
   */
  throwIfAny(what: string): void {
    if (this.#problems.length === 0) return;
    const groups = new Map<string, { readonly problem: ImportProblem; readonly nodes: string[] }>();
    for (const problem of this.#problems) {
      const key = `${problem.subject}\n${problem.message}`;
      const group = groups.get(key) ?? { problem, nodes: [] };
      if (problem.node !== undefined) group.nodes.push(problem.node);
      groups.set(key, group);
    }
    const details = [...groups.values()].map(({ problem, nodes }) => {
      const where =
        nodes.length === 0 ? '' : ` (${nodes.length === 1 ? 'node' : `${nodes.length} nodes:`} ${listed(nodes)})`;
      return `${problem.subject}: ${problem.message}${where}.`;
    });
    const codes = new Set(this.#problems.map(problem => problem.code ?? 'model-unsupported'));
    const [code] = codes;
    if (codes.size === 1 && code !== 'model-unsupported') {
      const more = details.length > 1 ? `, and ${details.length - 1} more problems, which are listed` : '';
      throw new SutureError(code, `${what} can't be read: ${this.#problems[0].message}${more}.`, {
        details: shortened(details),
      });
    }
    const subjects = [...new Set(this.#problems.map(p => p.subject))];
    const missing = this.#problems.some(problem => problem.node !== undefined);
    const shown = subjects.slice(0, 6).map(s => printable(s, 60));
    throw new SutureError(
      'model-unsupported',
      `${what} can't be expressed: ${shown.join('; ')}${subjects.length > 6 ? `; and ${subjects.length - 6} more` : ''}. Every problem is listed; change the model or its export.`,
      {
        details: [
          ...shortened(details),
          ...(missing ? [`Supported are, of ONNX: ${supportedOperators().join(', ')}.`] : []),
        ],
      },
    );
  }
}

const shortened = (lines: readonly string[]): readonly string[] =>
  lines.length <= MOST_LINES
    ? lines
    : [...lines.slice(0, MOST_LINES), `And ${lines.length - MOST_LINES} more of such problems.`];

/** The ONNX operators that are read, for messages. */
const supportedOperators = (): string[] =>
  [
    ...(Object.keys(operators) as OpName[]).filter(op => !isSutureOp(op)),
    ...Object.keys(foreign),
    ...Object.keys(sequences),
  ].sort();
