/** Settings as genomes: one small number for each switch, and one for the output. */
import { isGateable, type SuperNetwork, type Switch } from '../../../passes/index.ts';
import { type DiscreteSetting, togethers, type Use, usesOf, weightsOf } from '../../network/discrete.ts';
import { Liveness, type Section } from './liveness.ts';

/** For each gene the index of its choice; 0 leaves a switch as it was. The last gene is the output. */
export type Genome = readonly number[];

/** All settings of a network that a search may come to. */
export class SettingSpace {
  readonly network: SuperNetwork;
  /** How many choices each gene has. */
  readonly choices: readonly number[];
  /** The parents' tags, then what puts their outputs together. */
  readonly outputs: readonly string[];
  readonly #uses: readonly (readonly Use[])[];
  /** By gene and choice the genes of the switches that a switch, or an output, then comes to first. */
  readonly #needs: readonly (readonly (readonly number[])[])[];

  constructor(network: SuperNetwork) {
    this.network = network;
    this.#uses = network.switches.map(usesOf);
    const gated = isGateable(network);
    this.outputs = [...network.parents.map(p => p.tag), ...togethers.filter(t => gated || t !== 'gated')];
    const liveness = new Liveness(network);
    const genes = new Map(network.switches.map((s, i) => [s, i]));
    const nextTo = (section: Section): readonly number[] => section.switches.map(s => genes.get(s)!);
    const needsOf = (s: Switch, use: Use): readonly number[] => {
      const weights = weightsOf(s, use);
      return s.features.flatMap((feature, i) => (weights[i] === 0 ? [] : nextTo(liveness.sectionOf(feature))));
    };
    this.#needs = [
      ...network.switches.map((s, i) => this.#uses[i].map(use => needsOf(s, use))),
      this.outputs.map(output => liveness.rootsOf(output).flatMap(nextTo)),
    ];
    this.choices = [...this.#uses.map(uses => uses.length), this.outputs.length];
  }

  genomeOf({ uses, output }: DiscreteSetting): Genome {
    const { switches } = this.network;
    const genes = switches.map((s, i) => this.#uses[i].indexOf(uses[s.weights] ?? 'original'));
    return [...genes, this.outputs.indexOf(output)];
  }

  settingOf(genome: Genome): DiscreteSetting {
    const used = this.network.switches.flatMap(({ weights }, i): [string, Use][] =>
      genome[i] === 0 ? [] : [[weights, this.#uses[i][genome[i]]]],
    );
    return { uses: Object.fromEntries(used), output: this.outputs[genome.at(-1)!] };
  }

  /** The same network by the genome in which switches that it does not need are as they were: equal genomes, equal networks. */
  canonical(genome: Genome): Genome {
    const found = new Array<number>(genome.length).fill(0);
    const reached = new Set([genome.length - 1]);
    for (const gene of reached) {
      found[gene] = genome[gene];
      for (const next of this.#needs[gene][genome[gene]]) reached.add(next);
    }
    return found;
  }

  /** What a run of a genome's switches needs for every output: the canonical genome of the ensemble. */
  joint(genome: Genome): Genome {
    return this.canonical([...genome.slice(0, -1), this.outputs.indexOf('mean')]);
  }

  /** The settings that a run of this one's switches tells of: one for every output. */
  toldBy(genome: Genome): readonly Genome[] {
    return this.outputs.map((_, output) => this.canonical([...genome.slice(0, -1), output]));
  }
}

/** Equal text, equal genome. */
export const keyOf = (genome: Genome): string => genome.join('');
