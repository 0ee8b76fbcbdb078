import { expect, it } from 'vitest';
import { sharedDataTexts } from '../../../src/run/shared-data.ts';

const file = (sha256: string) => ({ source: 'x.npz', sha256 });
const texts = (trained: string, validation: string, tests: readonly string[], fold?: number): readonly string[] =>
  sharedDataTexts(
    { data: { ...file(trained), images: 6 }, ...(fold !== undefined && { labels: { folder: { fold } } }) },
    { validation: file(validation), tests: tests.map((sha256, i) => ({ name: 'ab'[i], ...file(sha256) })) },
  );

it('data that is given in two roles is said, of folds where the cases are the same', () => {
  expect(texts('1', '2', ['3', '4'])).toEqual([]);
  expect(texts('1', '1', ['2'])).toEqual([expect.stringMatching(/^The validation data is the training data/)]);
  expect(texts('1', '2', ['2', '1'])).toEqual([
    'Test set a is the validation data, which choices were made by: give images of its own.',
    'Test set b is the training data: give images of its own.',
  ]);
  expect(texts('1', '1', ['2'], 0)).toEqual([]);
  expect(texts('1', '1', ['1'], 0)).toEqual([expect.stringMatching(/^Test set a is the validation data/)]);
  const [data, stressed] = [
    { ...file('1'), images: 6 },
    { name: 's', ...file('3') },
  ];
  const given = { validation: file('2'), tests: [{ name: 'a', ...file('3') }], stress: { files: [stressed] } };
  expect(sharedDataTexts({ data }, given)).toEqual([
    'Test set a is the stress set s, which choices were made by: give images of its own.',
  ]);
});
