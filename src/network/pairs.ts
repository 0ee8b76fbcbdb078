/** Files of pairs: what `suture match -o` writes and `suture stitch --pairs` reads. */
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import type { FeaturePair, MatchedPair, Matching } from '../../passes/index.ts';
import { readRegular } from '../files/input.ts';

/** A pair of two networks, as people write it: the two names alone will do. */
const pairOfTwoSchema = v.object({
  a: v.string(),
  b: v.string(),
  score: v.optional(v.number(), 1),
  positionA: v.optional(v.number()),
  positionB: v.optional(v.number()),
});

type PairOfTwo = Readonly<v.InferOutput<typeof pairOfTwoSchema>>;

/** A pair of two of several networks, by their tags. */
const featurePairSchema = v.object({
  features: v.record(v.string(), v.string()),
  score: v.optional(v.number(), 1),
  progress: v.optional(v.record(v.string(), v.number())),
});

export const pairsSchema = v.object({
  pairs: v.pipe(
    v.array(v.union([pairOfTwoSchema, featurePairSchema])),
    v.minLength(1, 'there is no pair in it'),
    v.transform(pairs => pairs.map(pair => ('a' in pair ? featurePair(pair) : (pair as FeaturePair)))),
  ),
});

const featurePair = ({ a, b, score, positionA, positionB }: PairOfTwo): FeaturePair => ({
  features: { a, b },
  score,
  ...(positionA !== undefined && positionB !== undefined && { progress: { a: positionA, b: positionB } }),
});

/** A matched pair of two networks in the words of {@link pairsSchema}. */
export const pairOfTwo = ({ features, score, progress }: MatchedPair): Required<PairOfTwo> => ({
  a: features.a,
  b: features.b,
  score,
  positionA: progress.a,
  positionB: progress.b,
});

/** Pairs as a file holds them: those of two networks by `a` and `b`, those of more by the tags of each. */
export const pairEntries = (pairs: readonly FeaturePair[], networks: number): readonly object[] =>
  networks > 2
    ? pairs
    : pairs.map(({ features, score = 1, progress }) =>
        progress ? pairOfTwo({ features, score, progress }) : { a: features.a, b: features.b, score },
      );

/** The document that `match --json` prints and `-o` writes of two networks. */
export interface PairsDocument extends Omit<Matching, 'pairs' | 'warnings'> {
  readonly a: string;
  readonly b: string;
  readonly pairs: readonly Required<PairOfTwo>[];
}

const invalid = (path: string, problem: string, cause?: unknown): SutureError =>
  new SutureError(
    'pairs-invalid',
    `${printable(path)}: ${problem}; a file of pairs is what \`suture match -o\` writes.`,
    cause === undefined ? {} : { cause },
  );

/** Reads a file of pairs. @throws SutureError `pairs-invalid`. */
export async function readPairs(path: string): Promise<readonly FeaturePair[]> {
  let document: unknown;
  try {
    document = JSON.parse((await readRegular(path)).toString('utf8'));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'ENOTFILE' || code === 'EISDIR'
          ? 'it is no regular file'
          : code
            ? 'it cannot be read'
            : 'it is no JSON document';
    throw invalid(path, problem, cause);
  }
  const parsed = v.safeParse(pairsSchema, document);
  if (parsed.success) return parsed.output.pairs;
  const [issue] = parsed.issues;
  const place = v.getDotPath(issue);
  throw invalid(path, place ? `${printable(place)}: ${printable(issue.message)}` : printable(issue.message));
}
