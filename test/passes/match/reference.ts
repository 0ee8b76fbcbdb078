import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createDag, type Edge } from '../../../passes/match/dag.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { positionalProgress } from '../../../passes/match/progress.ts';
import { matrixScores, progressScores, type ScoredSide } from '../../../passes/match/scores.ts';

/** Vertices 0 and 1 of every graph in these files stand for input and output; their two pairs count 1 each there. */
export const SENTINEL_SCORE = 2;

interface FileGraph {
  readonly vertices: readonly { readonly op: string; readonly shape: readonly number[] }[];
  readonly edges: readonly Edge[];
}

interface FileResult {
  readonly weight?: number;
  readonly seconds?: number;
  readonly seconds_min?: number;
}

interface FilePair {
  readonly key: string;
  readonly a: FileGraph;
  readonly b: FileGraph;
  readonly reference: { readonly cycle_cut: FileResult; readonly dp: FileResult };
  readonly order_dp: FileResult;
  readonly bipartite_upper_bound: FileResult;
  readonly clique_lp?: FileResult;
}

interface FileSmall {
  readonly a: FileGraph;
  readonly b: FileGraph;
  readonly S: readonly (readonly (number | null)[])[];
  readonly exact: number;
  readonly order: number;
}

/** A pair of real networks, and what others have found for it. Scores include the two sentinel pairs. */
export interface ReferencePair {
  readonly key: string;
  readonly problem: MatchProblem;
  readonly results: Omit<FilePair, 'key' | 'a' | 'b'>;
}

/** A small random problem with its optimum and the score of one fixed order. Scores include the two sentinel pairs. */
export interface SmallProblem {
  readonly problem: MatchProblem;
  readonly exact: number;
  readonly order: number;
}

export function hasReference(folder: string): boolean {
  return existsSync(join(folder, 'small_random.json.gz'));
}

export function readPair(file: string): ReferencePair {
  const { key, a, b, ...results } = readJson<FilePair>(file);
  const shapes = [...new Set([...a.vertices, ...b.vertices].map(shapeKey))].sort();
  const side = (graph: FileGraph): ScoredSide => ({
    classes: Int32Array.from(graph.vertices, (vertex, v) => (v < 2 ? -1 : shapes.indexOf(shapeKey(vertex)))),
    progress: positionalProgress(createDag(graph.vertices.length, graph.edges), [0], [1]),
  });
  const problem: MatchProblem = {
    a: createDag(a.vertices.length, a.edges),
    b: createDag(b.vertices.length, b.edges),
    scores: progressScores(side(a), side(b)),
  };
  return { key, problem, results };
}

export function readSmallProblems(folder: string): SmallProblem[] {
  return readJson<FileSmall[]>(join(folder, 'small_random.json.gz')).map(({ a, b, S, exact, order }) => {
    const values = S.flatMap((row, i) => row.map((value, j) => (i < 2 || j < 2 ? Number.NaN : (value ?? Number.NaN))));
    return {
      problem: {
        a: createDag(a.vertices.length, a.edges),
        b: createDag(b.vertices.length, b.edges),
        scores: matrixScores(a.vertices.length, b.vertices.length, Float64Array.from(values)),
      },
      exact,
      order,
    };
  });
}

function shapeKey({ shape }: { readonly shape: readonly number[] }): string {
  return `${shape.length}:${shape.slice(2).join('x')}`;
}

function readJson<T>(file: string): T {
  return JSON.parse(gunzipSync(readFileSync(file)).toString('utf8')) as T;
}
