/** Upgrades of old forms, by operator; in ascending order of `since`. */
import type { OpName } from '../../ops/index.ts';
import type { Upgrade } from '../form.ts';

export const upgrades: { readonly [K in OpName]?: readonly Upgrade[] } = {};
