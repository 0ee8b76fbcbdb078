/**
 * A committee: two settings of a super-network at once, whose answers meet at one output. Of P parents, 2P answers.
 *
 * The copy has switches of its own, and the same stitches; parameters are shared. What the two settings have in common, all that lies before
 * the first position at which they differ, is computed once when the committee is settled. A committee is a super-network like any other: it is
 * settled, gated and measured as such.
 */
import type { Value } from '../../ir/index.ts';
import { continued } from '../differentiate/index.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import type { OutputSwitch, Setting, Stitch, SuperNetwork, Switch, Tag } from './network.ts';
import { addSwitchOf } from './outputs.ts';

const prefix = 'second/';

/** What a switch of the copy is called, by what its original is. */
const inCopy = (weights: string): string => prefix + weights;

/** The tag of a parent in the copy: that of a source of the output, beside the parent's own. */
const tagInCopy = (tag: Tag): Tag => `${tag}_2`;

/**
 * The super-network twice, for two settings at once.
 *
 * Guarantees: parameters of stitches are the same inputs; the outputs have their names, and twice the sources, those of the copy behind the
 * others; the parents' own outputs are not among them. Under the same setting twice it computes what the network does.
 */
export function committee(network: SuperNetwork): SuperNetwork {
  const { graph, parents, positions, stitches, switches, outputs } = network;
  const answers = outputs.flatMap(({ name, features }) =>
    features.map((value, i) => ({ name: `${name}/${i}`, value })),
  );
  const lone = removeDeadCode(graph.with({ outputs: answers }));
  const joints = new Set(outputs.map(o => o.weights));
  const b = continued(lone.with({ inputs: lone.inputs.filter(({ name }) => !joints.has(name)), outputs: [] }));
  const copied = new Map<Value, Value>();
  for (const { weights } of switches) {
    const { type } = graph.input(weights);
    copied.set(graph.input(weights), b.input(inCopy(weights), type));
  }
  const copyOf = (value: Value): Value => copied.get(value) ?? value;
  for (const node of lone.nodes) {
    if (!node.inputs.some(v => v && copied.has(v))) continue;
    const made = b.copy(
      node,
      node.inputs.map(v => v && copyOf(v)),
    );
    for (const [i, output] of node.outputs.entries()) copied.set(output, made[i]);
  }
  const both = <T>(own: readonly T[], inCopyOf: (one: T) => T): T[] => [...own, ...own.map(inCopyOf)];
  const met = outputs.map(
    (output): OutputSwitch =>
      addSwitchOf(b, { ...output, sources: both(output.sources, tagInCopy), features: both(output.features, copyOf) }),
  );
  for (const { name, output } of met) b.output(name, output);
  return {
    graph: b.build(),
    parents: parents.map(parent => ({ ...parent, outputs: [] })),
    positions,
    stitches: both(stitches, (s): Stitch => ({ ...s, source: copyOf(s.source), output: copyOf(s.output) })),
    switches: both(
      switches,
      (s): Switch => ({
        ...s,
        weights: inCopy(s.weights),
        original: copyOf(s.original),
        features: s.features.map(copyOf),
        output: copyOf(s.output),
      }),
    ),
    outputs: met,
  };
}

/** The setting of a {@link committee} of a network that is a setting of the network in one half, and another one in the other; all answers alike. */
export const settingOfCommittee = ({ switches, outputs }: SuperNetwork, first: Setting, second: Setting): Setting =>
  new Map([
    ...switches.map(({ weights }) => [weights, first.get(weights)!] as const),
    ...switches.map(({ weights }) => [inCopy(weights), second.get(weights)!] as const),
    ...outputs.map(({ weights, sources }) => {
      const count = 2 * sources.length;
      return [weights, Array<number>(count).fill(1 / count)] as const;
    }),
  ]);
