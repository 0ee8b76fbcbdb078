/** What the page and its worker say to each other. Each request has one answer; progress and metrics come in between. */
import type { MatchParts } from '../src/report/html/match.ts';
import type { Comparison, MetricsEntry, ProgressEvent } from '../src/web/index.ts';

/** A file that was chosen. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A model file, and the files of data that came with it. */
export interface GivenNetwork extends NamedBytes {
  readonly external: readonly NamedBytes[];
}

export interface TrainingNumbers {
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
}

/** What is asked for, and what the answer to it is. */
export interface Requests {
  /** Opens the GPU. */
  readonly open: { readonly ask: object; readonly answer: { readonly device: string } };
  readonly match: {
    readonly ask: {
      readonly networks: readonly GivenNetwork[];
      readonly train: NamedBytes;
      readonly validation: NamedBytes | undefined;
    };
    readonly answer: Matched;
  };
  readonly train: { readonly ask: TrainingNumbers; readonly answer: Outcome };
  /** The network of a row of the outcome, as the bytes of an ONNX file. */
  readonly save: { readonly ask: { readonly row: number }; readonly answer: Uint8Array<ArrayBuffer> };
}

/** Joined networks, for the eye. */
export interface Matched {
  readonly parts: MatchParts;
  readonly images: number;
  readonly warnings: readonly string[];
  /** What is usual for these networks. */
  readonly usual: Pick<TrainingNumbers, 'steps' | 'batch'>;
}

/** What was made. */
export interface Outcome {
  /** Absent without labelled images. */
  readonly compared: Pick<Comparison, 'sweep' | 'verdict'> | undefined;
  /** The position that it is stitched at, and by which rule: of scores, or of depth. */
  readonly selection: Pick<Comparison['selection'], 'position' | 'rule'>;
  /** Networks that can be saved; compared ones in the order of the verdict's standings. */
  readonly names: readonly string[];
}

export type Kind = keyof Requests;

/** From the page. */
export type Asked =
  | { readonly [K in Kind]: { readonly kind: K; readonly id: number; readonly ask: Requests[K]['ask'] } }[Kind]
  | { readonly kind: 'stop' };

/** An error in words. */
export interface Problem {
  readonly message: string;
  readonly details: readonly string[];
  readonly isInterruption: boolean;
}

/** From the worker. */
export type Told =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Requests[Kind]['answer'] }
  | { readonly kind: 'problem'; readonly id: number; readonly problem: Problem }
  | { readonly kind: 'progress'; readonly event: ProgressEvent }
  | { readonly kind: 'metrics'; readonly entry: MetricsEntry };
