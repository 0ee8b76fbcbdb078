/** Files of pairs: what `suture match -o` writes and `suture stitch --pairs` reads. */
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { type FeaturePair, featurePairs, type Matching } from '../../passes/index.ts';
import { readRegular } from '../files/input.ts';

/** A pair of two networks, as people write it: the two names alone will do. */
const pairSchema = v.object({
  a: v.string(),
  b: v.string(),
  score: v.optional(v.number(), 1),
  positionA: v.optional(v.number()),
  positionB: v.optional(v.number()),
});

/** A pair of two of several networks, by their tags. */
const featurePairSchema = v.object({
  features: v.record(v.string(), v.string()),
  score: v.optional(v.number(), 1),
  progress: v.optional(v.record(v.string(), v.number())),
});

export const pairsSchema = v.object({
  pairs: v.pipe(
    v.array(v.union([pairSchema, featurePairSchema])),
    v.minLength(1, 'there is no pair in it'),
    v.transform(pairs => pairs.flatMap(pair => ('a' in pair ? featurePairs([pair]) : [pair as FeaturePair]))),
  ),
});

/** Pairs as a file holds them: those of two networks by `a` and `b`, those of more by the tags of each. */
export const pairEntries = (pairs: readonly FeaturePair[], networks: number): readonly object[] =>
  networks > 2
    ? pairs
    : pairs.map(({ features: { a, b }, score, progress }) => ({
        a,
        b,
        score,
        ...(progress && { positionA: progress.a, positionB: progress.b }),
      }));

/** The document that `match --json` prints and `-o` writes of two networks. */
export interface PairsDocument extends Omit<Matching, 'warnings'> {
  readonly a: string;
  readonly b: string;
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
