/** What of a super-network a setting needs: a switch that gives a source no weight needs nothing of what lies before it. */
import type { AnyNode, Value } from '../../../ir/index.ts';
import type { SuperNetwork, Switch } from '../../../passes/index.ts';
import { type DiscreteSetting, togethers, weightsOf } from '../../network/discrete.ts';

/** What a value is computed from, up to the switches that it comes to first. */
export interface Section {
  /** With the nodes of these switches. */
  readonly nodes: readonly AnyNode[];
  readonly switches: readonly Switch[];
}

export class Liveness {
  readonly #network: SuperNetwork;
  readonly #switchOf: ReadonlyMap<AnyNode, Switch>;
  readonly #sections = new Map<Value, Section>();

  constructor(network: SuperNetwork) {
    this.#network = network;
    const { graph, switches } = network;
    this.#switchOf = new Map(switches.map(s => [graph.producer(s.output)!, s]));
  }

  sectionOf(value: Value): Section {
    const known = this.#sections.get(value);
    if (known) return known;
    const nodes = new Set<AnyNode>();
    const switches: Switch[] = [];
    const open = [value];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const node = this.#network.graph.producer(next);
      if (!node || nodes.has(node)) continue;
      nodes.add(node);
      const found = this.#switchOf.get(node);
      if (found) switches.push(found);
      else for (const input of node.inputs) input && open.push(input);
    }
    const section = { nodes: [...nodes], switches };
    this.#sections.set(value, section);
    return section;
  }

  /** What an output needs: the sections of its parents' own outputs. */
  rootsOf(output: string): readonly Section[] {
    return this.#network.outputs.flatMap(({ sources, features }) =>
      features.filter((_, p) => alone(output, sources[p])).map(feature => this.sectionOf(feature)),
    );
  }

  /**
   * The nodes that the outputs of a setting need, from its parents' own outputs up.
   *
   * @param stop whether nothing is asked for that lies before a switch.
   */
  nodesOf({ uses, output }: DiscreteSetting, stop: (s: Switch) => boolean = () => false): ReadonlySet<AnyNode> {
    const live = new Set<AnyNode>();
    const reached = new Set<Switch>();
    const open = [...this.rootsOf(output)];
    for (let section = open.pop(); section !== undefined; section = open.pop()) {
      for (const node of section.nodes) live.add(node);
      for (const s of section.switches) {
        if (reached.has(s)) continue;
        reached.add(s);
        if (stop(s)) continue;
        const weights = weightsOf(s, uses[s.weights] ?? 'original');
        open.push(...s.features.filter((_, i) => weights[i] !== 0).map(feature => this.sectionOf(feature)));
      }
    }
    return live;
  }

  /** The switches among nodes. */
  switchesAmong(nodes: ReadonlySet<AnyNode>): readonly Switch[] {
    return [...nodes].flatMap(node => this.#switchOf.get(node) ?? []);
  }
}

const alone = (output: string, tag: string): boolean => togethers.some(t => t === output) || output === tag;
