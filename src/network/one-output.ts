/** Networks with several outputs: which of them is used. */
import {
  type Dim,
  equalDims,
  type Graph,
  isFloat,
  type Output,
  printable,
  SutureError,
  substitute,
  symbolsOf,
} from '../../ir/index.ts';
import { removeDeadCode } from '../../passes/index.ts';

/** By the networks' tags, which of the outputs of a network that has several is used. */
export type OutputNames = Readonly<Record<string, string>>;

/** Names in a sentence, some of many. */
export const namesOf = (named: readonly { readonly name: string }[]): string =>
  named
    .slice(0, 6)
    .map(n => `'${printable(n.name)}'`)
    .join(', ') + (named.length > 6 ? ', …' : '');

/** Sizes that networks which halve their features several times take; axes differ. */
const roundSizes = [512, 1024, 1536];

/**
 * The outputs that say something of every place of the image [N, C, spatial...], with channels in front, behind, or none: of a network
 * with deep supervision one, the others are coarser. None where images have no extents.
 */
function denseOutputs({ inputs, outputs }: Graph): readonly Output[] {
  const [, , ...spatial] = inputs[0]?.type.shape ?? [];
  if (spatial.length === 0) return [];
  const open = new Set(inputs[0].type.shape.flatMap(dim => [...symbolsOf(dim)]));
  const sizes = Object.fromEntries([...open].map((name, i) => [name, roundSizes[i % roundSizes.length]]));
  const at = (dim: Dim): Dim => substitute(dim, sizes);
  const isWhole = (dims: readonly Dim[]): boolean =>
    dims.length === spatial.length && dims.every((dim, i) => equalDims(at(dim), at(spatial[i])));
  return outputs.filter(({ value: { type } }) => {
    const [, ...rest] = type.shape;
    return isFloat(type.dtype) && [rest, rest.slice(1), rest.slice(0, -1)].some(isWhole);
  });
}

/**
 * A network of which one output is used, and nothing is computed that only others need. The output is the one that is named, or else the
 * only one that is as large as the image; where that leaves it open, all stay, for messages to say so.
 *
 * @throws SutureError `option-invalid` where there is no output of the name.
 */
export function withOneOutput(graph: Graph, path: string, named?: string): Graph {
  const { outputs } = graph;
  const candidates = named === undefined ? denseOutputs(graph) : outputs.filter(({ name }) => name === named);
  if (named !== undefined && candidates.length === 0) {
    throw new SutureError(
      'option-invalid',
      `${printable(path)} has no output '${printable(named)}'; it has ${namesOf(outputs)}.`,
    );
  }
  if (outputs.length === 1 || candidates.length !== 1) return graph;
  return removeDeadCode(graph.with({ outputs: candidates }));
}

/** How to say which one is meant. */
const advice = '--output-a NAME says which is meant, --output-b NAME of the second network';

/** What is said of a network of whose outputs one is used without having been named. */
export const takenText = ({ outputs }: Graph, taken: Output): string =>
  `of its outputs ${namesOf(outputs)} '${printable(taken.name)}' is used, which is as large as the image; ${advice}`;

/** Why none of several outputs is used, after the name of the network. */
export function openText(graph: Graph): string {
  const dense = denseOutputs(graph);
  const why =
    dense.length === 0
      ? 'none of which is as large as the image'
      : `of which ${namesOf(dense)} are as large as the image`;
  return `gives ${graph.outputs.length} outputs (${namesOf(graph.outputs)}), ${why}: ${advice}`;
}
