/** A run as programs that track experiments keep one; `mlflow.ts` and `tensorboard.ts` write it in their formats. */

export interface TrackedPoint {
  readonly step: number;
  /** What is no number is left out. */
  readonly value: number | undefined;
}

export interface TrackedRun {
  /** 32 hexadecimal digits: equal ones are the same run. */
  readonly id: string;
  readonly name: string;
  readonly status: 'running' | 'finished' | 'failed';
  /** In milliseconds since 1970. */
  readonly begun: number;
  readonly ended: number;
  /** By names in which slashes make groups, as {@link TrackedMetrics} makes them. */
  readonly metrics: ReadonlyMap<string, readonly (TrackedPoint & { readonly value: number })[]>;
  readonly parameters: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** In Markdown. */
  readonly note?: string;
}

/** The most characters of a part of a name: it is the name of a file, of at most 255 bytes. */
const longest = 60;

/**
 * A name that trackers take, and that leads nowhere else as a path: letters and digits of any language, `_`, `-`, `.`, spaces, and slashes
 * between groups.
 */
export const trackedName = (...parts: readonly string[]): string =>
  parts
    .flatMap(part => part.split('/'))
    .map(part => part.replace(/[^\p{L}\p{Nd}_\-. ]+/gu, ''))
    .map(
      part =>
        Array.from(part)
          .slice(0, longest)
          .join('')
          .replace(/^[. ]+|[. ]+$/g, '') || '_',
    )
    .join('/');

/** Collects metrics: names that would be one are told apart, and none is a group of others as well. */
export class TrackedMetrics {
  readonly #all = new Map<string, readonly { readonly step: number; readonly value: number }[]>();

  get all(): TrackedRun['metrics'] {
    return this.#all;
  }

  add(parts: readonly string[], points: readonly TrackedPoint[]): void {
    const known = points.flatMap(({ step, value }) =>
      value === undefined || !Number.isFinite(value) ? [] : [{ step, value }],
    );
    if (known.length === 0) return;
    this.#all.set(this.#free(trackedName(...parts)), known);
  }

  /** A number without steps. */
  once(parts: readonly string[], value: number | undefined): void {
    this.add(parts, [{ step: 0, value }]);
  }

  #free(wanted: string): string {
    if (!this.#isTaken(wanted)) return wanted;
    const [group, ...rest] = wanted.split('/');
    for (let n = 2; ; n++) {
      // Below a name that is there nothing is free: then in another group.
      const free = [`${wanted} ${n}`, [`${group} ${n}`, ...rest].join('/')].find(name => !this.#isTaken(name));
      if (free !== undefined) return free;
    }
  }

  #isTaken(name: string): boolean {
    const lies = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`);
    return [...this.#all.keys()].some(other => lies(name, other) || lies(other, name));
  }
}

/** A line of a training's metrics. */
interface TrainingLine {
  readonly step: number;
  readonly loss: number;
  readonly learningRate?: number | undefined;
  readonly terms?: Readonly<Record<string, number>> | undefined;
  /** Of a federated training: sites count their steps alike. */
  readonly site?: number | undefined;
}

/** The loss, the learning rate and the terms of a training; of a federated one those of each site, so that no name has a step twice. */
export function addTraining(metrics: TrackedMetrics, all: readonly TrainingLine[]): void {
  const sites = [...new Set(all.map(({ site }) => site))];
  for (const site of sites) {
    const lines = all.filter(line => line.site === site);
    const add = (name: readonly string[], of: (line: TrainingLine) => number | undefined): void =>
      metrics.add(
        sites.length > 1 ? [...name, `site ${site}`] : name,
        lines.map(line => ({ step: line.step, value: of(line) })),
      );
    add(['loss'], ({ loss }) => loss);
    add(['learning rate'], ({ learningRate }) => learningRate);
    for (const term of Object.keys(lines[0]?.terms ?? {})) add(['terms', term], ({ terms }) => terms?.[term]);
  }
}
