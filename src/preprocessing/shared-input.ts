/** One input for networks whose cases are normalised in different ways: what it is, and what makes each network's own of it. */
import { printable, SutureError } from '../../ir/errors.ts';
import type { ChannelMap } from '../../passes/index.ts';
import { inOrder } from './grid.ts';
import { type Foreground, type Normalization, type Plans, readPlans } from './plans.ts';

export interface SharedInput {
  /**
   * As the first network's, with the bounds of CT drawn so wide that nothing is cut off that another network sees, on the grid of the network
   * that was chosen.
   */
  readonly plans: Plans;
  /** Whether bounds are wider than the first network's own. */
  readonly widened: boolean;
  /** For each network what makes its own input of the shared one. */
  readonly fronts: readonly InputFront[];
}

export interface InputFront {
  /** Of its own axes of space, which one each of the shared input is; undefined where their order is the same. */
  readonly axes: readonly number[] | undefined;
  /** By channel; undefined where intensities are the same. */
  readonly channels: readonly ChannelMap[] | undefined;
  /** Places along each axis of space for one of the shared input; undefined where the spacing is the same. */
  readonly ratio: readonly number[] | undefined;
}

/** Intensities as a line through them, and what is cut off before: what can be undone by operators. Undefined where each case has its own. */
interface Line {
  readonly scale: number;
  readonly offset: number;
  readonly low: number;
  readonly high: number;
}

/** No bounds that float32 could pass; plans are JSON, which has no infinity. */
const unbounded = 3e38;

function lineOf({ scheme, foreground }: Normalization): Line | undefined {
  switch (scheme) {
    case 'NoNormalization':
      return { scale: 1, offset: 0, low: -unbounded, high: unbounded };
    case 'RGBTo01Normalization':
      return { scale: 1 / 255, offset: 0, low: -unbounded, high: unbounded };
    case 'CTNormalization': {
      const { mean, std, low, high } = foreground as Foreground;
      const scale = 1 / Math.max(std, 1e-8);
      return { scale, offset: -mean * scale, low, high };
    }
    case 'ZScoreNormalization':
    case 'RescaleTo01Normalization':
      return undefined;
    default:
      return scheme satisfies never;
  }
}

const perCase: Readonly<Partial<Record<Normalization['scheme'], string>>> = {
  ZScoreNormalization: 'by the mean and the deviation of each case',
  RescaleTo01Normalization: 'by the least and the largest intensity of each case',
};

const sameNormalization = (a: Normalization, b: Normalization): boolean => JSON.stringify(a) === JSON.stringify(b);

/** From the shared channel to a network's own; undefined where they are the same. */
function frontOf(shared: Line, own: Line): ChannelMap | undefined {
  if (JSON.stringify(shared) === JSON.stringify(own)) return undefined;
  const scale = own.scale / shared.scale;
  const [low, high] = [own.low, own.high].map(bound => bound * own.scale + own.offset);
  return {
    scale,
    offset: own.offset - shared.offset * scale,
    ...(own.low > shared.low && { low }),
    ...(own.high < shared.high && { high }),
  };
}

/**
 * @param all of each network, the own one first.
 * @param grid the number of the network whose grid they share.
 * @throws SutureError `parents-incompatible` where axes or channels differ, or one normalisation cannot be computed from another.
 */
export function sharedInput(plansOfAll: readonly Plans[], grid = 0): SharedInput {
  const [own] = plansOfAll;
  for (const other of plansOfAll.slice(1)) requireSameAxes(own, other);
  const orders = plansOfAll.map(other => orderIn(other, own));
  const all = plansOfAll.map((plans, i) => along(plans, orders[i]));
  for (const other of all.slice(1)) requireKnownGrids(own, other);
  const channels = own.normalizations.map((first, channel) => {
    const each = all.map(({ normalizations }) => normalizations[channel]);
    if (each.every(normalization => sameNormalization(normalization, first))) {
      return { normalization: first, fronts: each.map(() => undefined) };
    }
    const lines = each.map(lineOf);
    const lost = lines.indexOf(undefined);
    if (lost >= 0) throw differing(all, channel, lost);
    const known = lines as readonly Line[];
    const [line] = known;
    const low = Math.min(...known.map(l => l.low));
    const high = Math.max(...known.map(l => l.high));
    // A network that takes raw or scaled intensities cuts nothing off, so that they are all there.
    const shared = first.foreground ? { ...line, low, high } : line;
    return {
      normalization: first.foreground ? { ...first, foreground: { ...first.foreground, low, high } } : first,
      fronts: known.map(l => frontOf(shared, l)),
    };
  });
  const { spacing, patchSize, resampling } = all[grid];
  const normalizations = channels.map(({ normalization }) => normalization);
  return {
    plans: { ...own, spacing, patchSize, resampling, normalizations },
    widened: normalizations.some((found, channel) => !sameNormalization(found, own.normalizations[channel])),
    fronts: all.map((plans, network) => {
      const fronts = channels.map(({ fronts: found }) => found[network]);
      return {
        axes: orders[network],
        channels: fronts.some(front => front) ? fronts.map(front => front ?? { scale: 1, offset: 0 }) : undefined,
        ratio: isClose(all[grid], plans) ? undefined : spacing.map((mm, axis) => mm / plans.spacing[axis]),
      };
    }),
  };
}

const isClose = (own: Plans, other: Plans): boolean =>
  own.spacing.every((mm, i) => Math.abs(mm - other.spacing[i]) <= 1e-3 * mm);

const nameOf = ({ source, configuration }: Plans): string => `${printable(source)} (${printable(configuration, 40)})`;

function differing(all: readonly Plans[], channel: number, lost: number): SutureError {
  const scheme = all[lost].normalizations[channel].scheme;
  const other = all.findIndex(
    plans => !sameNormalization(plans.normalizations[channel], all[lost].normalizations[channel]),
  );
  const { scheme: otherScheme, masked } = all[other].normalizations[channel];
  const how =
    otherScheme === scheme
      ? `${otherScheme} ${masked ? 'where a case is not zero' : 'over all of a case'}`
      : otherScheme;
  return new SutureError(
    'parents-incompatible',
    `${nameOf(all[lost])} normalises channel ${channel} ${perCase[scheme]} (${scheme}), ${nameOf(all[other])} by ${how}: no operators make ` +
      'the one of the other. Train one of the networks on cases that are normalised as the other one has them.',
  );
}

function requireSameAxes(own: Plans, other: Plans): void {
  const [ownChannels, otherChannels] = [own.normalizations.length, other.normalizations.length];
  const fail = (what: string): never => {
    throw new SutureError('parents-incompatible', `${nameOf(own)} and ${nameOf(other)} ${what}.`);
  };
  if (ownChannels !== otherChannels)
    fail(`are for ${ownChannels} and ${otherChannels} channels: networks that are joined take the same images`);
  if (own.spacing.length !== other.spacing.length) {
    fail(`are for ${own.spacing.length} and ${other.spacing.length} axes of space: name configurations of as many`);
  }
  const across = 3 - own.spacing.length;
  if (own.transpose.slice(0, across).join() !== other.transpose.slice(0, across).join()) {
    fail(
      `cut slices across different axes (transpose_forward is [${own.transpose.join(', ')}] and [${other.transpose.join(', ')}]), and ` +
        'networks that are joined see the same slices: export the networks of volumes, or train one of the two across the other axis',
    );
  }
}

/** Of another network's axes of space, which one each axis of the own one is; undefined where the order is the same. */
function orderIn(other: Plans, own: Plans): readonly number[] | undefined {
  const across = 3 - own.spacing.length;
  const order = own.transpose.slice(across).map(axis => other.transpose.indexOf(axis) - across);
  return order.every((axis, i) => axis === i) ? undefined : order;
}

const along = (plans: Plans, order: readonly number[] | undefined): Plans =>
  order ? { ...plans, spacing: inOrder(plans.spacing, order), patchSize: inOrder(plans.patchSize, order) } : plans;

/** @param other along the own axes. */
function requireKnownGrids(own: Plans, other: Plans): void {
  if (!isClose(own, other) && !(own.resampling.images && other.resampling.images)) {
    throw new SutureError(
      'parents-incompatible',
      `${nameOf(own)} and ${nameOf(other)} are for ${own.spacing.join(' × ')} and ${other.spacing.join(' × ')} mm, and not both resample to ` +
        'that, so that nobody knows how the one grid lies to the other.',
    );
  }
}

/** Plans of networks that see one input. */
export interface PlansFiles {
  /** Of the own network. */
  readonly plans?: string | undefined;
  /** Of all plans. */
  readonly configuration?: string | undefined;
  /** Of networks that are joined with it, by their tags; those that have none see what the own one sees. */
  readonly partners?: Readonly<Record<string, string>> | undefined;
  /** The tag of the network whose plans say the grid that all see. Default: the own one, `a`. */
  readonly grid?: string | undefined;
}

/** A shared input, with its fronts by tag. */
export interface SharedByTag extends Omit<SharedInput, 'fronts'> {
  /** The tag of the network whose grid they share. */
  readonly grid: string;
  readonly fronts: Readonly<Record<string, InputFront>>;
}

/**
 * What networks see by their plans, and what makes each network's own input of it. Undefined where there are no plans.
 *
 * @param axes of the images, where no configuration is named.
 * @throws SutureError as `readPlans` and {@link sharedInput}; `option-invalid` where a partner has plans and the own network none.
 */
export async function readShared(
  { plans, configuration, partners = {}, grid = 'a' }: PlansFiles,
  axes?: number,
): Promise<SharedByTag | undefined> {
  const tags = Object.keys(partners);
  if (plans === undefined) {
    if (tags.length === 0 && grid === 'a') return undefined;
    throw new SutureError(
      'option-invalid',
      `There are plans of network ${tags[0] ?? grid}: say by --plans those of the own one too.`,
    );
  }
  const all: Plans[] = [];
  for (const file of [plans, ...Object.values(partners)]) all.push(await readPlans(file, configuration, axes));
  const known = ['a', ...tags];
  if (!known.includes(grid)) {
    throw new SutureError(
      'option-invalid',
      `The grid is to be that of network ${grid}, and there are plans of ${known.join(', ')}.`,
    );
  }
  const shared = sharedInput(all, known.indexOf(grid));
  return { ...shared, grid, fronts: Object.fromEntries(known.map((tag, i) => [tag, shared.fronts[i]])) };
}
