/** A diagnosis in words: each sign, the figure that shows it, and what to do. */
import { printable } from '../../ir/errors.ts';
import { ensembleName } from '../network/names.ts';
import type { RunDiagnosis } from '../selection/diagnose/diagnose.ts';
import { farDistance, type SignName, type Signs, type Status } from '../selection/diagnose/signs.ts';
import { fixed } from './decimals.ts';
import { differenceText } from './verdict.ts';

/** What signs are called. */
const signTitles: { readonly [S in SignName]: string } = {
  collapse: 'collapse with several stitches',
  ownSiteLoss: 'own-site loss of the ensemble',
  noGain: 'no gain from stitching',
  outOfDistribution: 'activations out of distribution',
};

const remedies: { readonly [S in SignName]: string } = {
  collapse:
    'The stitches work one at a time, as they do when they are fitted to clean features or all at once: train them double-batched under sampled settings (the default), and longer, or stitch at one position.',
  ownSiteLoss:
    'A partner that is weaker here skews the plain mean: weigh the outputs (`suture sweep --weights`, or the gate), stitch, or let `suture run` choose.',
  noGain:
    'Deploy what `suture run` finds best of the rest, an ensemble or a parent; see whether the pairs join layers that do the same (`suture match --similarity cka`).',
  outOfDistribution:
    'These stitches give features that the layers behind them never saw: train them to reproduce features (double-batched), not by labels, or export another position.',
};

/** One sign, as it is shown. */
export interface SignText {
  readonly title: string;
  readonly status: Status;
  /** The figure, or why there is none. */
  readonly figure: string;
  /** What to do where it is seen. */
  readonly remedy?: string;
}

function figureOf(sign: SignName, signs: Signs): string {
  switch (sign) {
    case 'collapse': {
      const { counts = [], worst } = signs.collapse;
      if (!worst) return '';
      return `with ${worst.count} positions stitched less with one (${fixed(counts[0].value)}): ${differenceText(worst.difference)}`;
    }
    case 'ownSiteLoss': {
      const { difference } = signs.ownSiteLoss;
      return difference ? `output ensemble − parent a: ${differenceText(difference)}` : '';
    }
    case 'noGain': {
      const { position, comparisons = [] } = signs.noGain;
      const texts = comparisons
        .filter(({ against }) => against === ensembleName)
        .map(({ data, difference }) => `on ${printable(data)} ${differenceText(difference)}`);
      return `stitched at ${position} − output ensemble: ${texts.join(', ')}`;
    }
    case 'outOfDistribution': {
      const { stitches = [], changes = [] } = signs.outOfDistribution;
      const worst = stitches.reduce((p, q) => (q.home.distance > p.home.distance ? q : p));
      const { position, from, to, home, shift } = worst;
      const far = stitches.filter(s => s.home.distance > farDistance).length;
      const under = shift ? `, under ${changes.length} changes ${fixed(shift.distance, 2)}` : '';
      return (
        `${far} of ${stitches.length} stitches lie farther than ${farDistance} deviation from the features that they stand for; farthest ` +
        `${from} to ${to} at ${position}: ${fixed(home.distance, 2)} (means off by ${fixed(home.meanShift, 2)}, variance times ` +
        `${fixed(home.varianceRatio, 2)})${under}`
      );
    }
    default:
      return sign satisfies never;
  }
}

/** All signs in words. */
export const signTexts = ({ signs }: Pick<RunDiagnosis, 'signs'>): readonly SignText[] =>
  (Object.keys(signTitles) as SignName[]).map(sign => {
    const { status, reason } = signs[sign];
    return {
      title: signTitles[sign],
      status,
      figure: reason ?? figureOf(sign, signs),
      ...(status === 'seen' && { remedy: remedies[sign] }),
    };
  });
