/** What can be made of joined networks and deployed: each parent, ensembles of their outputs, one stitched position, shared trunks. */
import {
  averagedAt,
  committee,
  type GateScope,
  isGateable,
  original,
  type Setting,
  type StitchParameters,
  type SuperNetwork,
  settingOfCommittee,
  settle,
  withOutputOf,
  withOutputs,
} from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Execution } from '../execution/progress.ts';
import type { Metric } from '../metrics/metric.ts';
import { measureOnSets } from '../metrics/score-networks.ts';
import { flopsPerSample } from '../network/cost.ts';
import { settingOfDiscrete } from '../network/discrete.ts';
import { gateScopeOf } from '../network/gate.ts';
import { ensembleName, parentName } from '../network/names.ts';
import type { Network, TrainedNetwork } from '../network/network.ts';
import { graphForImages } from '../network/sizes.ts';
import { alike, gatedText, outputText, sharesOf, statedShares } from './combination.ts';
import { type Blend, measure, type NamedData, type Prepared, prepare } from './measure.ts';
import { isOwnAlone, sharedTrunks, trunkName, trunkText } from './search/trunks.ts';
import { shareLattice } from './simplex.ts';
import type { Kind } from './verdict.ts';

/** What is known of a candidate before it is measured. */
interface Known {
  readonly kind: Kind;
  /** `parent b`, `output ensemble, gated`, `shared trunk at 5, 11`. */
  readonly name: string;
  /** Those of one family differ in numbers alone, and the best of them stands for all. */
  readonly family: string;
  /** Where it is stitched; nowhere, where it is not. */
  readonly positions: readonly number[];
  /** Multiply-adds for an image, as a share of those of all parents together. */
  readonly cost: number;
  /** The own network's say: see `Candidate` of the verdict. */
  readonly share: number;
}

/** A network that can be made of a super-network. */
export interface Blueprint extends Known {
  /** What it is a setting of: the joined network, or a committee of it. */
  readonly joined: SuperNetwork;
  /** The weights of all switches, those of the output with them. */
  readonly setting: Setting;
  readonly blend: Blend;
}

/** What was distilled from the parents. */
export interface Distilled {
  readonly network: Network;
  /** The parents and it, joined: the answers of the parents, then its own. */
  readonly joined: SuperNetwork;
}

/** A network of its own weights. */
export interface Student extends Known {
  readonly network: Network;
}

export interface CandidateOptions {
  /** The position that the scores of all chose. */
  readonly position: number;
  /** Whether outputs are also put together by a gate. Default: where one can act. */
  readonly gate?: boolean | undefined;
  readonly gateOver?: GateScope | undefined;
  /**
   * The highest cost of a shared trunk or a committee that is looked at. Default: that of all parents together, so that there are no
   * committees, which compute parts of the parents twice.
   */
  readonly budget?: number | undefined;
  /** Networks that were distilled from the parents. */
  readonly students?: readonly Distilled[] | undefined;
}

/** Trunks of one network that are looked at, from the cheapest to the dearest; `suture search` looks further. */
const trunksConsidered = 3;

/** A setting of the switches, and what its outputs are put together to. */
interface Base extends Pick<Blueprint, 'joined'> {
  readonly setting: Setting;
  readonly cost: number;
  readonly positions: readonly number[];
  readonly ways: readonly Pick<Blueprint, 'name' | 'family' | 'kind' | 'blend'>[];
  /** The own network's say. Default: its share of the output. */
  readonly share?: number;
  /** Whether it is measured under shift only where its score at home makes it eligible. */
  readonly minor?: boolean;
}

/** All candidates of a trained network, ready to be measured. */
export class Candidates {
  readonly blueprints: readonly Blueprint[];
  readonly students: readonly Student[];
  readonly #bases: readonly Base[];
  readonly #prepared: Prepared;

  private constructor(
    trained: TrainedNetwork,
    bases: readonly Base[],
    students: readonly Student[],
    over: GateScope | undefined,
  ) {
    this.students = students;
    this.#bases = bases;
    this.#prepared = prepare(
      trained,
      bases.map(({ joined, setting, ways }) => ({ joined, setting, blends: ways.map(way => way.blend) })),
      over,
    );
    const own = (_: number, answer: number): boolean => answer % trained.network.parents.length === 0;
    this.blueprints = bases.flatMap(({ joined, setting, ways, positions, cost, share }) =>
      ways.map(way => {
        const shares = sharesOf(way.blend.output);
        return {
          ...way,
          joined,
          setting: withOutputs(joined, setting, shares),
          positions,
          cost,
          share: share ?? shares.filter(own).reduce((sum, part) => sum + part, 0),
        };
      }),
    );
  }

  /** @param dataset the own images: their size decides what networks cost. */
  static of(trained: TrainedNetwork, dataset: Dataset, options: CandidateOptions): Candidates {
    const { network, parameters } = trained;
    const { position, gate = isGateable(network), gateOver, budget = 1, students = [] } = options;
    const most = options.budget ?? Number.POSITIVE_INFINITY;
    const plain = original(network);
    const together = flopsOf(network, plain, dataset);
    const costOf = (setting: Setting, joined = network): number =>
      flopsOf(joined, setting, dataset, parameters) / together;
    /** A setting under its own name, gated and not. */
    const named = (
      kind: 'ensemble' | 'committee' | 'stitched' | 'trunk',
      { joined = network, ...at }: Omit<Base, 'cost' | 'ways' | 'joined'> & Partial<Pick<Base, 'joined'>>,
      name: string,
      family = name,
    ): Base => ({
      ...at,
      joined,
      cost: costOf(at.setting, joined),
      ways: (gate ? [false, true] : [false]).map(gated => {
        const end = gated ? gatedText(gateOver) : '';
        const full = gated ? (`gated ${kind}` as const) : kind;
        const output = statedShares(alike(joined.outputs[0].sources.length));
        return { name: `${name}${end}`, family: `${family}${end}`, kind: full, blend: { output, gated } };
      }),
    });
    const stitched = averagedAt(network, position);

    const trunks = sharedTrunks(network)
      .filter(trunk => trunk.whole)
      .map(trunk => {
        const { own, positions } = trunk;
        const family = trunkText(network, trunk);
        const setting = settingOfDiscrete(network, trunk.setting);
        return {
          own,
          minor: true,
          ...(isOwnAlone(network, trunk) && { share: 1 }),
          ...named('trunk', { setting, positions }, trunkName(network, trunk), family),
        };
      })
      .filter(({ cost }) => cost <= budget && cost < 1)
      .sort((p, q) => p.cost - q.cost);
    const committeeAt = (): Base => {
      const joined = committee(network);
      const setting = settingOfCommittee(network, plain, stitched);
      const at = { joined, setting, positions: [position], minor: true };
      return named('committee', at, `committee with stitched at ${position}`);
    };
    // The own network still knows what a student may have lost at home. In a student's answer all parents have an equal say.
    const withStudent = ({ joined }: Distilled): Base => {
      const setting = original(joined);
      const name = `${ensembleName} with the student${gatedText(gateOver)}`;
      const blend = { output: statedShares(alike(joined.outputs[0].sources.length)), gated: true };
      return {
        ...{ joined, setting, positions: [], minor: true, share: 1 / network.parents.length },
        cost: costOf(setting, joined),
        ways: [{ name, family: name, kind: 'gated student ensemble', blend }],
      };
    };
    const bases = [
      ...network.parents.map(({ tag }, i) => alone(network, parentName(tag), i, costOf)),
      named('ensemble', { setting: plain, positions: [] }, ensembleName),
      weightedEnsembles(network, plain, gate, gateOver),
      named('stitched', { setting: stitched, positions: [position] }, `stitched at ${position}`),
      ...(budget > 1 ? [committeeAt()].filter(({ cost }) => cost <= budget) : []),
      ...(gate ? students.map(withStudent).filter(({ cost }) => cost <= most) : []),
      ...network.parents.flatMap(({ tag }) =>
        evenly(
          trunks.filter(({ own }) => own === tag),
          trunksConsidered,
        ),
      ),
    ];
    const distilled = students.map(({ network: found }): Student => {
      const flops = flopsPerSample(graphForImages(found.graph, dataset, found.name))!;
      return {
        name: found.name,
        family: found.name,
        kind: gateScopeOf(found.graph) ? 'gated student' : 'student',
        positions: [],
        cost: flops / together,
        share: 1 / network.parents.length,
        network: found,
      };
    });
    return new Candidates(trained, bases, distilled, gateOver);
  }

  /** What is stitched at the position that was given, with a gate where one can act. */
  get stitched(): Blueprint {
    return this.blueprints.findLast(({ kind }) => kind === 'stitched' || kind === 'gated stitched')!;
  }

  /** Blueprints, then students. */
  get all(): readonly (Blueprint | Student)[] {
    return [...this.blueprints, ...this.students];
  }

  /**
   * The metrics of candidates on data sets, of each by the candidates' names.
   *
   * @param hopeless those of whom no more need be known: shared trunks among them are left out.
   * @throws SutureError `data-invalid`.
   */
  async measure(
    execution: Execution,
    sets: readonly NamedData[],
    hopeless: ReadonlySet<string> = new Set(),
  ): Promise<readonly ReadonlyMap<string, Metric>[]> {
    const isWanted = ({ minor, ways }: Base): boolean => !minor || ways.some(({ name }) => !hopeless.has(name));
    const bases = this.#bases.filter(isWanted);
    const parts = this.#prepared.parts.filter((_, i) => isWanted(this.#bases[i]));
    const measured = await measure(execution, { ...this.#prepared, parts }, sets);
    const networks = this.students.map(({ network }) => network);
    const data = sets.map(set => set.data);
    const apart = networks.length === 0 ? [] : await measureOnSets(execution, networks, data);
    return sets.map((_, set) => {
      const metricOf = (base: number, blend: Blend): Metric => measured[set][base].metricOf(blend);
      return new Map([
        ...bases.flatMap(({ ways }, i) => ways.map(({ name, blend }) => [name, metricOf(i, blend)] as const)),
        ...(apart[set] ?? []).map(({ model, metric }) => [model, metric] as const),
      ]);
    });
  }
}

const flopsOf = (network: SuperNetwork, setting: Setting, dataset: Dataset, parameters?: StitchParameters): number =>
  flopsPerSample(graphForImages(settle(network, setting, parameters), dataset, 'the stitched network'))!;

/** What each parent costs alone, before anything is trained: nothing that can be made of them costs less than the cheapest. */
export function parentCosts(network: SuperNetwork, dataset: Dataset): readonly Pick<Known, 'name' | 'cost'>[] {
  const plain = original(network);
  const together = flopsOf(network, plain, dataset);
  return network.parents.map(({ tag }) => ({
    name: parentName(tag),
    cost: flopsOf(network, withOutputOf(network, plain, tag), dataset) / together,
  }));
}

function alone(network: SuperNetwork, name: string, parent: number, costOf: (setting: Setting) => number): Base {
  const output = statedShares(network.parents.map((_, i) => (i === parent ? 1 : 0)));
  const setting = original(network);
  const cost = costOf(withOutputs(network, setting, sharesOf(output)));
  const ways = [{ name, family: name, kind: 'parent' as const, blend: { output } }];
  return { joined: network, setting, cost, positions: [], ways };
}

/** The unstitched parents with shares that are not alike, none of them zero. */
function weightedEnsembles(
  network: SuperNetwork,
  setting: Setting,
  gate: boolean,
  gateOver: GateScope | undefined,
): Base {
  const outputs = shareLattice(network.parents.length, 10, 40).outputs.filter(output => {
    const shares = sharesOf(output);
    return shares.every(share => share > 0) && Math.max(...shares) - Math.min(...shares) > 1e-9;
  });
  const ways = (gate ? [false, true] : [false]).flatMap(gated =>
    outputs.map(output => {
      const end = gated ? gatedText(gateOver) : '';
      return {
        name: `${ensembleName}, weights ${outputText(sharesOf(output))}${end}`,
        family: `${ensembleName}, weighted${end}`,
        kind: gated ? ('gated weighted' as const) : ('weighted' as const),
        blend: { output, gated },
      };
    }),
  );
  return { joined: network, setting, cost: 1, positions: [], ways };
}

/** Some of a list, evenly spread, its ends among them. */
function evenly<T>(list: readonly T[], most: number): readonly T[] {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);
}
