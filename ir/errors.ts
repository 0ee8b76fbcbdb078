/**
 * The catalogue of errors. A code is stable: people search for it, scripts branch on it. The text is one sentence that
 * says what is wrong, where, and what to do; it is written where the error is raised, because only there is it known.
 */
export const errorCodes = {
  'model-unreadable': 'the bytes are no ONNX model, or a damaged one',
  'model-unsupported': 'the model uses what the vocabulary cannot express; every problem is listed',
  'model-limit': 'the model would make more of itself than a limit allows: loops, functions, formulas, constants',
  'model-external-data': 'external tensor data is missing, too short, or outside the folder of the model',
  'graph-invalid': 'the verifier found a graph that breaks the rules of the IR',
  'type-mismatch': 'an operator was given inputs of types that it does not take',
  'parents-incompatible': 'the inputs or outputs of the parents do not fit together',
  'no-pairs': 'no layer of one network is compatible with a layer of the other',
  'pairs-invalid': 'a file of pairs does not fit the networks',
  'plans-invalid': "nnU-Net's plans lack something, or ask for what is not done here",
  'adjoint-missing': 'a gradient must flow through an operator that has no adjoint rule',
  'kernel-missing': 'an operator or dtype has no kernel in the chosen executor',
  'adapter-missing': 'no GPU adapter, neither real nor embedded, could be used',
  'native-missing': 'ONNX Runtime or the WebGPU implementation is not there for this platform',
  'memory-short': 'the work would take more memory than is free on this machine',
  'device-lost': 'the GPU device was lost',
  'device-memory': 'the GPU has not enough memory, or a buffer passes its limits',
  'device-error': 'the GPU or ONNX Runtime failed at a command: a defect of suture, of the driver or of the library',
  'data-unreadable': 'the bytes are no npz file, or a damaged one',
  'data-invalid': 'an array has the wrong name, shape, dtype or content',
  'loss-not-finite': 'the loss became NaN or infinite',
  'output-not-finite': 'a network gave NaN where it was to be scored',
  'export-differs': 'ONNX Runtime computes something else from an exported file than was meant',
  'run-invalid': 'a run directory is incomplete, damaged, or of another version',
  'run-locked': 'another process is writing in the run directory',
  'study-invalid': 'the description of a study, or its folder, lacks something or contradicts itself',
  'study-incomplete': 'cells of a study failed, or wait for such; what is there of the others is kept',
  'output-exists': 'the output exists already and --force was not given',
  'output-unwritable': 'the output path cannot be written',
  'option-invalid': 'an option has a value that makes no sense',
  interrupted: 'the work was interrupted',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** The one error class that crosses a public boundary on purpose. Anything else that escapes is a defect. */
export class SutureError extends Error {
  override readonly name = 'SutureError';
  readonly code: ErrorCode;
  /** Further lines, each a problem of its own, for errors that report several at once. */
  readonly details: readonly string[];
  /** The command that goes on with what was stopped, where the message names one. */
  readonly resume: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: readonly string[]; cause?: unknown; resume?: string | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
    this.resume = options.resume;
  }
}

/** Text from a file made safe for a terminal: control characters become `\xNN`, long text is cut in the middle. */
export function printable(text: string, limit = 120): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  const safe = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, c => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  if (safe.length <= limit) return safe;
  const half = Math.floor((limit - 1) / 2);
  return `${safe.slice(0, half)}…${safe.slice(safe.length - half)}`;
}

/** A sentence without its full stop, to stand in another one. */
export const clause = (sentence: string): string => sentence.replace(/\.$/, '');

/** Names in a sentence, the first few of many: `a, b, …`. */
export const someOf = (names: readonly string[]): string =>
  [...names.slice(0, 5).map(name => printable(name)), ...(names.length > 5 ? ['…'] : [])].join(', ');
