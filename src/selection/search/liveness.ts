/** What of a super-network a setting needs: a switch that gives a source no weight needs nothing of what lies before it. */
import type { AnyNode, Value } from '../../../ir/index.ts';
import type { SuperNetwork, Switch } from '../../../passes/index.ts';
import { type DiscreteSetting, togethers, weightsOf } from '../../network/discrete.ts';

export class Liveness {
  readonly #network: SuperNetwork;
  readonly #switchOf: ReadonlyMap<AnyNode, Switch>;

  constructor(network: SuperNetwork) {
    this.#network = network;
    const { graph, switches } = network;
    this.#switchOf = new Map(switches.map(s => [graph.producer(s.output)!, s]));
  }

  /**
   * The nodes that the outputs of a setting need, from its parents' own outputs up.
   *
   * @param stop whether nothing is asked for that lies before a switch.
   */
  nodesOf({ uses, output }: DiscreteSetting, stop: (s: Switch) => boolean = () => false): ReadonlySet<AnyNode> {
    const { graph, outputs } = this.#network;
    const roots = outputs.flatMap(({ sources, features }) => features.filter((_, p) => alone(output, sources[p])));
    const live = new Set<AnyNode>();
    const open: Value[] = [...roots];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      const node = graph.producer(value);
      if (!node || live.has(node)) continue;
      live.add(node);
      const found = this.#switchOf.get(node);
      if (!found) for (const input of node.inputs) input && open.push(input);
      else if (!stop(found)) {
        const weights = weightsOf(found, uses[found.weights] ?? 'original');
        open.push(...found.features.filter((_, i) => weights[i] !== 0));
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
