/** A run's own graphs as ONNX files: one step of its training, or its super-network with the switches open. */
import { type Graph, rewrite, type Tensor, tensorType, typeText, Value } from '../../ir/index.ts';
import { type SuperNetwork, simplify } from '../../passes/index.ts';
import { checkOutputFile, type WriteOptions } from '../files/output.ts';
import { withMetadata } from '../network/metadata.ts';
import { networkForImages } from '../network/sizes.ts';
import { writeModel } from '../network/write.ts';
import { type LoadedRun, loadRun, openNetwork } from '../run/load.ts';
import type { Training } from '../training/options.ts';
import { type Labelled, stepOf } from '../training/train.ts';
import { imagesOfRun } from './inspect-run.ts';

/** Which graph of a run is written. */
export type RunGraph = 'training-step' | 'supernet';

export interface LoweredFile {
  readonly file: string;
  readonly graph: RunGraph;
  readonly nodes: number;
  readonly inputs: readonly NamedType[];
  readonly outputs: readonly NamedType[];
  /** Of a training step: from each output to the input that takes its value in the next step. Empty otherwise. */
  readonly carry: Readonly<Record<string, string>>;
}

export interface NamedType {
  readonly name: string;
  readonly type: string;
}

type Lowered = Pick<LoweredFile, 'carry'> & { readonly graph: Graph };

/**
 * The whole training step of a run as one graph: forward, loss, backward, optimiser. The batch stays symbolic.
 *
 * Inputs: the images, the stitches' parameters, the optimiser's state (zeros before the first step). Outputs: `loss`, its terms,
 * `gradient/…`, and `next/…` for each parameter and each part of the state.
 */
function trainingStepGraph(network: SuperNetwork, training: Training, labelled?: Labelled): Lowered {
  const step = stepOf(network, training, labelled);
  const carry = Object.fromEntries(step.carry);
  const graph = withMetadata(simplify(step.graph), {
    'suture.graph': 'training-step',
    'suture.loss': step.loss,
    'suture.data': JSON.stringify(step.data),
    'suture.parameters': JSON.stringify(step.parameters),
    'suture.state': JSON.stringify([...step.state.keys()]),
    'suture.gradients': JSON.stringify(Object.fromEntries(step.gradients)),
    'suture.carry': JSON.stringify(carry),
  });
  return { graph, carry };
}

/**
 * A run's super-network: the trained stitches are constants, the weights of every switch and of the outputs are inputs, one number
 * for each source. Outputs: the combined one, and each parent's own.
 */
function superNetworkGraph({ network, parameters }: Pick<LoadedRun, 'network' | 'parameters'>): Graph {
  const constant = (name: string, tensor: Tensor): Value => new Value(name, tensorType(tensor), { constant: tensor });
  const inputs = new Map([...parameters].map(([name, tensor]) => [name, constant(name, tensor)]));
  const graph = simplify(rewrite(network.graph, () => undefined, { inputs }));
  const sources = [...network.switches, ...network.outputs].map(s => [s.weights, s.sources]);
  const positions = network.positions.map(({ id, features }) => ({ id, features }));
  return withMetadata(graph, {
    'suture.graph': 'supernet',
    'suture.positions': JSON.stringify(positions),
    'suture.switches': JSON.stringify(Object.fromEntries(sources)),
  });
}

/**
 * Writes a graph of a run as one ONNX file of standard operators; ours are functions in the file. A training step can be written of
 * any run, the super-network of one whose training has ended.
 *
 * @throws SutureError `run-invalid`, `adjoint-missing`, `output-exists`, `output-unwritable`.
 */
export async function lower(
  path: string,
  file: string,
  what: RunGraph,
  options: WriteOptions = {},
): Promise<LoweredFile> {
  await checkOutputFile(file, options);
  const { graph, carry } = await graphOf(path, what);
  await writeModel(graph, file, options);
  const named = (name: string, { type }: Value): NamedType => ({ name, type: typeText(type) });
  return {
    file,
    graph: what,
    nodes: graph.nodes.length,
    inputs: graph.inputs.map(v => named(v.name, v)),
    outputs: graph.outputs.map(o => named(o.name, o.value)),
    carry,
  };
}

async function graphOf(path: string, what: RunGraph): Promise<Lowered> {
  switch (what) {
    case 'training-step': {
      const { network, directory } = await openNetwork(path);
      const sized = networkForImages(network, await imagesOfRun(network, directory.config));
      return trainingStepGraph(sized, directory.config.training, directory.config);
    }
    case 'supernet':
      return { graph: superNetworkGraph(await loadRun(path)), carry: {} };
    default:
      return what satisfies never;
  }
}
