/**
 * ONNX's backend tests, for any executor: each is a model of one operator (or of its expansion into others), inputs, and
 * the outputs that are right.
 */
import { existsSync, readFileSync } from 'node:fs';
import { SutureError } from '../../ir/errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { importModel } from '../../ir/onnx/import.ts';
import { decodeMessage, decodeModel } from '../../ir/onnx/proto/codec.ts';
import { readTensor } from '../../ir/onnx/tensor.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { verify } from '../../ir/verify.ts';
import { readTarGz } from './archive.ts';
import { differenceOf, type Tolerance } from './difference.ts';

const folder = new URL('../../../shared/conformance/', import.meta.url);

/** Whether the material is there; tests that need it skip themselves otherwise. */
export const conformancePresent = existsSync(new URL('onnx-node-tests.tar.gz', folder));

/** Runs a graph on inputs by name; returns its outputs in order. */
export type Executor = (graph: Graph, inputs: ReadonlyMap<string, Tensor>) => Promise<readonly Tensor[]>;

export interface DataSet {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface ConformanceCase {
  readonly name: string;
  readonly model: Uint8Array;
  /** Files of each data set, as they are. */
  readonly data: readonly { readonly inputs: readonly Uint8Array[]; readonly outputs: readonly Uint8Array[] }[];
}

/** All tests of the archive, by name. */
export function conformanceCases(): readonly ConformanceCase[] {
  const files = readTarGz(new URL('onnx-node-tests.tar.gz', folder));
  const names = [...files.keys()].flatMap(path => /^node\/([^/]+)\/model\.onnx$/.exec(path)?.[1] ?? []);
  return names.sort().map(name => {
    const list = (set: number, kind: string): Uint8Array[] => {
      const found: Uint8Array[] = [];
      for (let i = 0; ; i++) {
        const file = files.get(`node/${name}/test_data_set_${set}/${kind}_${i}.pb`);
        if (file === undefined) return found;
        found.push(file);
      }
    };
    const data: { inputs: Uint8Array[]; outputs: Uint8Array[] }[] = [];
    for (let set = 0; ; set++) {
      const outputs = list(set, 'output');
      if (outputs.length === 0) break;
      data.push({ inputs: list(set, 'input'), outputs });
    }
    return { name, model: files.get(`node/${name}/model.onnx`)!, data };
  });
}

/**
 * What became of a test. `refused`: the import said that the vocabulary can't express it. `unsupported`: the executor
 * said so. `crashed`: anything else was thrown, which is a defect.
 */
export type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'refused' | 'unsupported' | 'crashed' | 'wrong'; readonly reason: string };

/** Imports a test's model, runs it on its inputs with each executor and compares what comes out: what became of it with each. */
export async function runCase<E extends readonly Executor[]>(
  test: ConformanceCase,
  executors: E,
  tolerance: Tolerance,
): Promise<{ [I in keyof E]: Outcome }> {
  const all = async (made: (execute: Executor) => Promise<Outcome>) =>
    (await Promise.all(executors.map(made))) as { [I in keyof E]: Outcome };
  let graph: Graph;
  let sets: readonly DataSet[];
  try {
    graph = verify(importModel(decodeModel(test.model)).graph);
    sets = test.data.map(set => ({ inputs: set.inputs.map(readFile), outputs: set.outputs.map(readFile) }));
  } catch (error) {
    if (error instanceof SutureError && error.code !== 'graph-invalid') {
      const reason = [error.message, ...error.details].join('\n');
      return all(async () => ({ kind: 'refused', reason }));
    }
    return all(async () => ({ kind: 'crashed', reason: describe(error) }));
  }
  return all(execute => outcomeOf(graph, sets, execute, tolerance));
}

async function outcomeOf(
  graph: Graph,
  sets: readonly DataSet[],
  execute: Executor,
  tolerance: Tolerance,
): Promise<Outcome> {
  for (const { inputs, outputs } of sets) {
    let results: readonly Tensor[];
    try {
      results = await execute(graph, new Map(graph.inputs.map((value, i) => [value.name, inputs[i]])));
    } catch (error) {
      if (error instanceof SutureError && error.code === 'kernel-missing') {
        return { kind: 'unsupported', reason: error.message };
      }
      return { kind: 'crashed', reason: describe(error) };
    }
    for (const [i, expected] of outputs.entries()) {
      const difference = differenceOf(results[i], expected, tolerance);
      if (difference !== undefined) {
        return { kind: 'wrong', reason: `output ${graph.outputs[i].name}: ${difference}` };
      }
    }
  }
  return { kind: 'passed' };
}

const readFile = (bytes: Uint8Array): Tensor => readTensor(decodeMessage('TensorProto', bytes, 'The tensor'));

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** The well-known architectures with constant weights: model, its only input, and what comes out. */
export function lightModels(): readonly { readonly name: string; readonly path: string; readonly expected: Tensor }[] {
  return ['bvlc_alexnet', 'inception_v1', 'resnet50', 'squeezenet'].map(name => ({
    name,
    path: new URL(`light/light_${name}.onnx`, folder).pathname,
    expected: readFile(readFileSync(new URL(`light/light_${name}_output_0.pb`, folder))),
  }));
}
