/** Upgrades of old forms, by operator, in ascending order of `since`: versions are data. */
import type { OpName } from '../../ops/index.ts';
import type { Upgrade } from '../form.ts';
import { elementwiseUpgrades } from './elementwise.ts';
import { linearUpgrades } from './linear.ts';
import { movementUpgrades } from './movement.ts';
import { normalizationUpgrades } from './normalization.ts';
import { reductionUpgrades } from './reduction.ts';

export const upgrades: { readonly [K in OpName]?: readonly Upgrade[] } = {
  ...elementwiseUpgrades,
  ...linearUpgrades,
  ...movementUpgrades,
  ...normalizationUpgrades,
  ...reductionUpgrades,
};
