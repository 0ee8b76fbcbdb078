/** Networks that data files can be used with. */
import type { Graph } from '../../ir/index.ts';
import type { OutputMeaning, StitchParameters, SuperNetwork } from '../../passes/index.ts';
import { interfaceOf, type NetworkInterface } from './interface.ts';

/** A network of one input and one output, under the name that messages and results give it. */
export interface Network extends NetworkInterface {
  readonly name: string;
  readonly graph: Graph;
  /** What its output means. */
  readonly meaning: OutputMeaning;
}

/** @throws SutureError as `interfaceOf`. */
export const networkOf = (graph: Graph, name: string, meaning: OutputMeaning): Network => ({
  name,
  graph,
  meaning,
  ...interfaceOf(graph, name),
});

/** Several networks joined, and the parameters of the stitches between them, by the names of the super-network's inputs. */
export interface TrainedNetwork {
  readonly network: SuperNetwork;
  readonly parameters: StitchParameters;
}
