/** The files of a run directory, and how they belong together: see `docs/files.md`. */

/** The files of a run directory. */
export const runFiles = {
  config: 'config.json',
  pairs: 'pairs.json',
  parents: 'parents',
  checkpoint: 'checkpoint.npz',
  parameters: 'parameters.npz',
  metrics: 'metrics.jsonl',
  request: 'request.json',
  weights: 'weights.npz',
  weighing: 'weights-checkpoint.npz',
  sweep: 'sweep.json',
  front: 'front.json',
  search: 'search.json',
  verdict: 'verdict.json',
  student: 'student',
  model: 'stitched.onnx',
  half: 'stitched-half.onnx',
  cases: 'cases.csv',
  summaries: 'summaries',
  reportJson: 'report.json',
  reportText: 'report.md',
  byCase: 'by-case.json',
  page: 'report.html',
} as const;

export const runFileNames = Object.values(runFiles);

/** Files that are sealed, and what they belong to: see `seal.ts`. */
export const owners = {
  parameters: 'config',
  request: 'config',
  checkpoint: 'config',
  weights: 'parameters',
  weighing: 'parameters',
  sweep: 'parameters',
  front: 'parameters',
  search: 'parameters',
  verdict: 'parameters',
  byCase: 'parameters',
} as const;

/** Sealed files that hold tensors, beside the parameters; sealed documents, beside the configuration; what has no seal. */
export type SealedTensors = 'checkpoint' | 'weights' | 'weighing';
export type SealedDocument = 'request' | 'sweep' | 'front' | 'search' | 'verdict' | 'byCase';
export type OtherFile = Exclude<keyof typeof runFiles, SealedTensors | SealedDocument>;

/** How each file that does not fit comes about again. */
export const remedies: Readonly<Record<'parameters' | SealedTensors | SealedDocument, string>> = {
  request: "put this run's own file back, or make the run anew with `suture run`",
  parameters: "put this run's own file back, or train it again with `suture stitch`",
  checkpoint: "put this run's own file back, or remove it to begin the training again",
  weights: 'learn them again with `suture weigh`',
  weighing: 'remove it, and learn again with `suture weigh`',
  sweep: 'score the positions again with `suture sweep`',
  front: 'score the settings again with `suture sweep --weights`',
  search: 'remove it, and search again with `suture search`',
  verdict: 'remove it, and make the run anew with `suture run`',
  byCase: 'remove it: `suture report` makes it anew',
};

/** What is said of a file that belongs to something else than this run's. */
export const foreign = { config: 'belongs to another run', parameters: 'belongs to other stitches' } as const;
