import { GraphBuilder, SutureError } from '../../ir/index.ts';
import type { Task } from '../stitch/meaning.ts';
import { foregroundOf, probabilitiesOf } from '../stitch/outputs.ts';
import type { SuperNetwork, Switch } from '../stitch.ts';
import { type LossGraph, labelType, Terms, taskLoss } from './losses.ts';
import {
  addImages,
  addStitches,
  applySwitch,
  doubleStreams,
  newDraft,
  Stream,
  type SwitchMode,
  type SwitchModes,
  switchesByOutput,
  switchWeights,
} from './streams.ts';

/**
 * The losses that stitches are trained with, each a graph over the images and the parameters.
 *
 * Double-batched training is described as one batch `x2 = concat(x, x)` whose first half takes the original feature at every switch
 * and whose second half takes the stitched one: `concat(orig[:N], stitched[N:])`. Every operator of the parents works on samples one
 * by one, so the concatenation can be pushed through all of them to the losses, which take the halves apart again. What is left is
 * two streams at batch N: the reference, all original, and the stitched one. That is what is built here:
 *
 *     x2 = Concat(x, x)                             a  = Conv(x, w)
 *     a2 = Conv(x2, w);  b2 = Conv(x2, v)           b  = Conv(x, v)
 *     t2 = Stitch(b2)                               t  = Stitch(b)
 *     s2 = Concat(a2[:N], t2[N:])              →    a' = Conv(a, u)
 *     y2 = Conv(s2, u)                              t' = Conv(t, u)
 *     loss = FeatureLoss(s2[N:], s2[:N]) + ...      loss = FeatureLoss(t, a) + FeatureLoss(t', a') + ...
 *
 * The numbers are the same. Upstream of the first stitch the streams are equal and computed once instead of twice; no gradient goes
 * into the reference, so its adjoint is never built and nothing of it is kept past the losses that read it; the adjoint of the
 * stitched stream runs at batch N.
 */
export interface DoubleBatchOptions {
  /** What the switches do in the stitched stream. Default `stitched`. */
  readonly switches?: SwitchModes;
  /** Divide each term by the variance of its reference feature, so that deep and shallow points weigh alike. Default true. */
  readonly normalize?: boolean;
  /**
   * Where terms are, of what the stitched stream changes: at every switch and output (default), at each parent's last switch and the
   * outputs, at switches only, at outputs only. With fewer terms stitches answer for what comes of their features, not for the features:
   * of stitches in one direction the loss of the penultimate layer does best in arXiv 2603.12433.
   */
  readonly terms?: 'all' | 'last' | 'switches' | 'outputs';
  /**
   * What the terms of each parent's output probabilities count for, beside those of its logits: differences of logits where the
   * class is certain do not matter to the result. Default 0: none. Outputs that are no logits have none.
   */
  readonly probabilityWeight?: number;
}

/**
 * The published method: each stitch sees what the stitches before it make of the features. Terms `loss/3/a`, `loss/output/a`, and
 * with a `probabilityWeight` `loss/probability/a`.
 */
export function doubleBatch(network: SuperNetwork, options: DoubleBatchOptions = {}): LossGraph {
  const { switches: modes = 'stitched', normalize = true, terms: where = 'all', probabilityWeight = 0 } = options;
  const b = new GraphBuilder('double-batched', network.graph.info);
  const draft = newDraft(network, b, modes);
  const terms = new Terms(b, normalize);
  const last = new Map(network.switches.map(s => [s.parent, s]));
  const compares = (s: Switch): boolean => (where === 'last' ? last.get(s.parent) === s : where !== 'outputs');
  const { reference, stitched } = doubleStreams(draft, activeSwitches(network, draft.modeOf), {
    onSwitch(s, streams) {
      const [x, target] = [streams.stitched.read(s.output), streams.reference.read(s.output)];
      if (!x || !target || !compares(s)) return;
      const { position, parent } = s;
      terms.addFeature(x, target, { name: `${position}/${parent}`, position, parent });
    },
  });
  if (where !== 'switches') {
    for (const { tag, outputs } of network.parents) {
      for (const name of outputs) {
        const value = network.graph.output(name);
        const [x, target] = [stitched.read(value), reference.read(value)];
        const term = { name: `output/${outputs.length > 1 ? name : tag}`, parent: tag };
        if (x && target) terms.addFeature(x, target, term);
      }
    }
    if (probabilityWeight > 0) {
      for (const output of network.outputs) {
        for (const [i, parent] of output.sources.entries()) {
          const values = [stitched, reference].map(stream => stream.read(output.features[i]));
          const { meaning } = output;
          const logits = meaning.kind === 'logits' || meaning.kind === 'log-probabilities';
          if (!logits || !values[0] || values[0] === values[1]) continue;
          const [x, target] = values.map(v => foregroundOf(b, probabilitiesOf(b, v!, meaning), meaning));
          const suffix = network.outputs.length > 1 ? `${parent}/${output.name}` : parent;
          terms.addFeature(x, target, { name: `probability/${suffix}`, parent }, probabilityWeight);
        }
      }
    }
  }
  return terms.finish(draft.data, draft.parameters);
}

export interface DirectOptions {
  readonly normalize?: boolean;
  /** The positions whose stitches are trained. Default: all. */
  readonly positions?: readonly number[];
}

/** The baseline: all switches on original, each stitch fitted to the clean feature that it imitates. Terms `loss/3/b-a`. */
export function directMatching(network: SuperNetwork, { normalize = true, positions }: DirectOptions = {}): LossGraph {
  const b = new GraphBuilder('direct', network.graph.info);
  const draft = newDraft(network, b, s => (positions && !positions.includes(s.position) ? 'original' : 'stitched'));
  const stream = new Stream(b);
  addImages(draft, stream);
  addStitches(draft, [stream], activeSwitches(network, draft.modeOf));
  const terms = new Terms(b, normalize);
  const switches = switchesByOutput(network);
  const tags = new Map(network.stitches.map(s => [s.output, s]));
  for (const node of network.graph.nodes) {
    const s = switches.get(node.outputs[0]);
    if (!s) {
      stream.follow(node);
      continue;
    }
    const target = stream.read(s.original);
    stream.set(s.output, target);
    for (const feature of s.features.slice(1)) {
      const [x, from] = [stream.read(feature), tags.get(feature)?.from];
      const { position, parent } = s;
      const term = { name: `${position}/${from}-${parent}`, position, parent };
      if (x && target) terms.addFeature(x, target, term);
    }
  }
  return terms.finish(draft.data, draft.parameters);
}

export interface TaskLossOptions {
  /** What the switches do. Default `stitched`. */
  readonly switches?: SwitchModes;
  /** How the parents' outputs are weighed: fixed, or learned (logits under a softmax). Default: their mean. */
  readonly outputs?: readonly number[] | 'learned';
  readonly task?: Task;
  /** Whether a label below 0 marks a place that counts nowhere. Default false. */
  readonly ignore?: boolean;
  /** False: the stitches are frozen, their parameters data; only weights that are learned are trained. Default true. */
  readonly trainStitches?: boolean;
}

/** The name of the input that holds the labels of a task loss. */
export const labelsInput = 'labels';

/** The labels' loss on the combined output: what the paper compares with, and what learns weights of switches and outputs. */
export function taskMatching(network: SuperNetwork, options: TaskLossOptions = {}): LossGraph {
  const {
    switches: modes = 'stitched',
    outputs,
    task = 'segmentation',
    ignore = false,
    trainStitches = true,
  } = options;
  const [output] = network.outputs;
  if (network.outputs.length !== 1) {
    throw new SutureError(
      'option-invalid',
      `A task loss needs one output; the networks have ${network.outputs.length}.`,
    );
  }
  const b = new GraphBuilder('task', network.graph.info);
  const draft = newDraft(network, b, modes);
  const stream = new Stream(b);
  addImages(draft, stream);
  addStitches(draft, [stream], activeSwitches(network, draft.modeOf));
  const stitchParameters = [...draft.parameters];
  const count = output.sources.length;
  const mode: Exclude<SwitchMode, 'original' | 'position'> = outputs ?? Array<number>(count).fill(1 / count);
  stream.set(network.graph.input(output.weights), switchWeights(draft, output.weights, mode, output.features));

  const switches = switchesByOutput(network);
  for (const node of network.graph.nodes) {
    const s = switches.get(node.outputs[0]);
    if (s) applySwitch(draft, stream, s);
    else stream.follow(node);
  }
  const combined = stream.read(output.output);
  if (!combined) throw new TypeError(`the output '${output.name}' was not built`);
  const { dtype } = combined.type;
  const labels = b.input(labelsInput, labelType(combined.type, task, output.combined));
  draft.data.push(labels.name);
  const loss = taskLoss(b, combined, labels, { task, meaning: output.combined, ignore });
  if (loss.type.dtype !== dtype) throw new TypeError('a loss has the dtype of the output');
  const terms = new Terms(b);
  terms.add(loss, { name: task });
  const learned = draft.parameters.filter(p => !stitchParameters.includes(p));
  return trainStitches
    ? terms.finish(draft.data, draft.parameters)
    : terms.finish([...draft.data, ...stitchParameters], learned);
}

const activeSwitches = (network: SuperNetwork, modeOf: (s: Switch) => SwitchMode): Switch[] =>
  network.switches.filter(s => modeOf(s) !== 'original');
