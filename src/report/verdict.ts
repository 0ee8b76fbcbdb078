/** A verdict in words. */
import { printable } from '../../ir/errors.ts';
import { type Difference, verdictOf } from '../metrics/bootstrap.ts';
import { isDistilledName, isEnsembleName, isParentName } from '../network/names.ts';
import { outs, percent, type Standing, type StoredVerdict } from '../selection/verdict.ts';
import { fixed } from './decimals.ts';
import type { TextTable } from './text-table.ts';

/** `+0.0123`, `−0.0123`, `0.0000`; `–` of no number. */
export function signed(value: number): string {
  const text = fixed(Math.abs(value));
  // What rounds to zero has no sign, and what is no number neither.
  return /^[0.]*$|–/.test(text) ? text : `${value < 0 ? '−' : '+'}${text}`;
}

/** `+0.0009 [−0.0010, +0.0028]`; a single group of images gives no interval. */
export const intervalText = ({ value, low, high, groups }: Difference): string =>
  groups < 2 ? `${signed(value)} on one group of images alone` : `${signed(value)} [${signed(low)}, ${signed(high)}]`;

/** `+0.0009 [−0.0010, +0.0028]: no difference shown`. */
export const differenceText = (found: Difference): string => `${intervalText(found)}: ${verdictOf(found)}`;

/** Which network is worth most, and why, in a sentence or two. */
export function verdictText({ standings, chosen, bar, incumbent, stress, budget }: StoredVerdict): string {
  const winner = standings[chosen];
  const { name } = winner;
  const where = stress.length === 0 ? 'at home' : 'under shift';
  const within = budget === undefined ? '' : ` within ${percent(budget)}`;
  const others = standings.filter((s, i) => s.eligible && i !== chosen).map(s => s.name);
  const at = `${name}, at ${percent(winner.cost)} of what the parents cost together`;
  const why =
    chosen !== incumbent
      ? `is shown to be better ${where} than ${standings[incumbent].name}`
      : others.length === 0
        ? chosen === bar
          ? `and no other candidate${within} may be chosen before it`
          : `is the only one of the candidates${within} that is not worse at home than ${standings[bar].name}`
        : `and of what competes with it (${others.join('; ')}) nothing is shown to be better ${where}`;
  const scores = [
    `at home ${fixed(winner.own)}${chosen === bar ? '' : ` (${standings[bar].name}: ${fixed(standings[bar].own)})`}`,
    ...(winner.shift === undefined ? [] : [`under shift ${fixed(winner.shift)}`]),
  ];
  return `The verdict: ${at}, ${why}. It scores ${scores.join(', ')}.${kindText(name)}${cheaperText(standings, chosen)}${studentText(standings, chosen)}${ownText(standings, chosen)}`;
}

/** What a user might not expect. */
function kindText(name: string): string {
  if (isParentName(name))
    return ' It is one of the networks as it was: nothing that was made of them is shown to be better.';
  if (isEnsembleName(name)) return ' Its parents are not stitched: no stitch is shown to be better.';
  return '';
}

/** A difference of cost that is worth a word, as a share of what the parents cost together. */
const worthSaying = 0.01;

/** What costs less and competes, where no score tells it from the chosen network: whoever pays for that should know. */
function cheaperText(standings: StoredVerdict['standings'], chosen: number): string {
  const cheaper = standings.filter(({ eligible, cost, chosenBetterBy: by }) => {
    if (!eligible || !by || cost > standings[chosen].cost - worthSaying) return false;
    return [by.own, by.shift].every(found => !found || verdictOf(found) === 'no difference shown');
  });
  if (cheaper.length === 0) return '';
  const named = cheaper.map(({ name, cost }) => `${name}, at ${percent(cost)}`).join('; ');
  const where = cheaper.some(({ chosenBetterBy: by }) => by?.shift) ? 'at home or under shift' : 'at home';
  return ` It costs more than ${named}, and is not shown to be better ${where}; what partners know of other sites the own images do not show.`;
}

/** Where the student is that was not chosen before a parent, for whom that is what they want all the same. */
function studentText(standings: StoredVerdict['standings'], chosen: number): string {
  const student = standings.find(({ name, affordable }) => isDistilledName(name) && affordable);
  if (!isParentName(standings[chosen].name) || !student?.chosenBetterBy) return '';
  return ` Its score less the student's is ${intervalText(student.chosenBetterBy.own)} at home. What the student knows of other sites the own images do not show: it is student/student.onnx, for whoever is to serve those too.`;
}

/** What gives the own network a larger say and is shown to be better on its own images, which is no reason to choose it. */
function ownText(standings: StoredVerdict['standings'], chosen: number): string {
  const { share } = standings[chosen];
  const ahead = standings.flatMap(standing => {
    const { own, shift } = standing.chosenBetterBy ?? {};
    if (!standing.eligible || standing.share <= share) return [];
    const parts = [
      ...(own && verdictOf(own) === 'worse' ? [`by ${fixed(-own.value)} at home`] : []),
      ...(shift && verdictOf(shift) === 'worse' ? [`by ${fixed(-shift.value)} under shift`] : []),
    ];
    return parts.length > 0 ? [{ name: standing.name, text: parts.join(' and ') }] : [];
  });
  const [first] = ahead;
  if (!first) return '';
  return ` Of networks in which the own one has a larger say, ${first.name} is better ${first.text}: the own images, changed or not, do not show what partners know of other sites, so that this decides nothing.`;
}

/** Whether a candidate may be chosen, and if not, why. */
const competesText = ({ eligible, out }: Standing): string =>
  eligible ? 'yes' : out === undefined ? 'no' : `no: ${outs[out]}`;

/** What the chosen network is better by than each of the others, at home and under shift, and which of them compete: heads and rows of a table. */
export function standingTable({ standings, chosen, stress }: StoredVerdict): TextTable {
  const isShifted = stress.length > 0;
  return {
    head: [`${standings[chosen].name} less`, 'at home', ...(isShifted ? ['under shift'] : []), 'competes'],
    rows: standings.flatMap(standing => {
      const { name, chosenBetterBy: by } = standing;
      if (!by) return [];
      const shifted = isShifted ? [by.shift ? differenceText(by.shift) : '–'] : [];
      return [[name, differenceText(by.own), ...shifted, competesText(standing)]];
    }),
  };
}

/** What speaks against a network that was asked for; nothing where nothing does. */
export function lossTexts({ standings, chosen }: StoredVerdict, name: string): readonly string[] {
  const found = standings.find(s => s.name === name)?.chosenBetterBy;
  if (!found) return [];
  const worse = [found.own, found.shift].some(side => side && verdictOf(side) === 'better');
  return worse
    ? [
        `The verdict is for ${standings[chosen].name}, and not for ${printable(name)}, which was asked for: at home ${differenceText(found.own)}${found.shift ? `; under shift ${differenceText(found.shift)}` : ''}.`,
      ]
    : [];
}
