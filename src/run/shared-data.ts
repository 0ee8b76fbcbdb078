/** Data that a run is given in two roles, which makes scores on it look better than they will be elsewhere. */
import { printable } from '../../ir/errors.ts';
import type { FollowUp, RunConfig } from './config.ts';

/**
 * What is the same data in another role, a sentence each: validation data or a test set that was trained on, a test set that
 * choices were made by, stress sets too. A folder of which folds are taken is trained on in one part and scored in another.
 */
export function sharedDataTexts(
  { data, labels }: Pick<RunConfig, 'data' | 'labels'>,
  { validation, tests, stress }: Pick<FollowUp, 'validation' | 'tests' | 'stress'>,
): readonly string[] {
  const { sha256: trained } = data;
  const inFolds = labels?.folder?.fold !== undefined;
  const ofTests = tests.flatMap(({ name, sha256 }) => {
    if (sha256 === validation.sha256) {
      return [
        `Test set ${printable(name)} is the validation data, which choices were made by: give images of its own.`,
      ];
    }
    const held = stress?.files?.find(file => file.sha256 === sha256);
    if (held) {
      return [
        `Test set ${printable(name)} is the stress set ${printable(held.name)}, which choices were made by: give images of its own.`,
      ];
    }
    return sha256 === trained ? [`Test set ${printable(name)} is the training data: give images of its own.`] : [];
  });
  return validation.sha256 === trained && !inFolds
    ? [
        'The validation data is the training data, so that choices favour what fits these images: give others.',
        ...ofTests,
      ]
    : ofTests;
}
