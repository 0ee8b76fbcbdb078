import { expect, it } from 'vitest';
import { lossTexts, standingTable, verdictText } from '../../../src/report/verdict.ts';
import type { StoredVerdict } from '../../../src/selection/verdict.ts';

const found = (value: number) => ({ value, low: value - 0.01, high: value + 0.01, groups: 9 });
const standing = (name: string, cost: number, share: number, own: number, shift: number, out?: 'home') => ({
  ...{ name, cost, share, own, shift, affordable: true, eligible: !out, ...(out && { out }) },
});

const verdict: StoredVerdict = {
  data: { source: 'val.npz', images: 20 },
  metric: 'dice',
  stress: [{ name: 'gamma', source: 'val.npz under gamma', images: 20 }],
  standings: [
    { ...standing('parent a', 0.6, 1, 0.93, 0.7), chosenBetterBy: { own: found(-0.002), shift: found(0.1) } },
    { ...standing('parent b', 0.4, 0, 0.8, 0.6, 'home'), chosenBetterBy: { own: found(0.128), shift: found(0.2) } },
    standing('output ensemble, gated', 1, 0.5, 0.928, 0.8),
  ],
  chosen: 2,
  bar: 0,
  incumbent: 2,
};

it('says which network is worth most, why, and where it is none that was made', () => {
  expect(verdictText(verdict)).toBe(
    'The verdict: output ensemble, gated, at 100 % of what the parents cost together, and of what competes with it (parent a) nothing ' +
      'is shown to be better under shift. It scores at home 0.9280 (parent a: 0.9300), under shift 0.8000. ' +
      'Its parents are not stitched: no stitch is shown to be better.',
  );
  expect(verdictText({ ...verdict, chosen: 0, budget: 0.6 })).toBe(
    'The verdict: parent a, at 60 % of what the parents cost together, is shown to be better under shift than output ensemble, gated. It scores at home ' +
      '0.9300, under shift 0.7000. It is one of the networks as it was: nothing that was made of them is shown to be better.',
  );
  expect(verdictText({ ...verdict, chosen: 0, stress: [] })).toContain('is shown to be better at home than');
});

it('says where a student is that loses to a parent', () => {
  const student = {
    ...standing('distilled from trunk of b for a at 2', 0.5, 0.5, 0.92, 0.6, 'home'),
    chosenBetterBy: { own: found(0.01) },
  };
  const { chosenBetterBy: _, ...winner } = verdict.standings[0];
  const within = { ...verdict, chosen: 0, incumbent: 0, budget: 0.6, standings: [winner, student] };
  expect(verdictText(within)).toContain(
    " Its score less the student's is +0.0100 [0.0000, +0.0200] at home. What the student knows of other sites the own images do not show: it is student/student.onnx, for whoever is to serve those too.",
  );
  expect(verdictText(within)).toContain(
    ', and no other candidate within 60 % may be chosen before it. It scores at home',
  );
  expect(verdictText({ ...within, standings: [winner, { ...student, affordable: false }] })).not.toContain('student');
});

it('says that a larger say of the own network does better on the own images', () => {
  const { standings } = verdict;
  const ahead = { ...standings[0], chosenBetterBy: { own: found(-0.03), shift: found(-0.02) } };
  expect(verdictText({ ...verdict, standings: [ahead, ...standings.slice(1)] })).toContain(
    ' Of networks in which the own one has a larger say, parent a is better by 0.0300 at home and by 0.0200 under shift: the own images,',
  );
});

it('says what costs less where no score tells it from the chosen one', () => {
  const { standings } = verdict;
  const alike = { ...standings[0], chosenBetterBy: { own: found(-0.002), shift: found(0.004) } };
  expect(verdictText({ ...verdict, standings: [alike, ...standings.slice(1)] })).toContain(
    ' It costs more than parent a, at 60 %, and is not shown to be better at home or under shift; what partners know of other sites',
  );
  const unchanged = { ...alike, chosenBetterBy: { own: found(-0.002) } };
  expect(verdictText({ ...verdict, standings: [unchanged, ...standings.slice(1)] })).toContain('better at home; what');
  const nearly = { ...alike, cost: standings[verdict.chosen].cost - 0.002 };
  expect(verdictText({ ...verdict, standings: [nearly, ...standings.slice(1)] })).not.toContain('It costs more');
  expect(verdictText(verdict)).not.toContain('It costs more');
});

it('holds the chosen one against all others', () => {
  expect(standingTable(verdict)).toEqual({
    head: ['output ensemble, gated less', 'at home', 'under shift', 'competes'],
    rows: [
      ['parent a', '−0.0020 [−0.0120, +0.0080]: no difference shown', '+0.1000 [+0.0900, +0.1100]: better', 'yes'],
      ['parent b', '+0.1280 [+0.1180, +0.1380]: better', '+0.2000 [+0.1900, +0.2100]: better', 'no: worse at home'],
    ],
  });
});

it('says what speaks against a network that is asked for, and only what was shown', () => {
  expect(lossTexts(verdict, 'parent b')).toEqual([
    'The verdict is for output ensemble, gated, and not for parent b, which was asked for: at home +0.1280 [+0.1180, +0.1380]: better; ' +
      'under shift +0.2000 [+0.1900, +0.2100]: better.',
  ]);
  expect(lossTexts(verdict, 'output ensemble, gated')).toEqual([]);
});
