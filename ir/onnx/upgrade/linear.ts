/** Old forms of matrix products. */
import type { Upgrade } from '../form.ts';

/** Until version 7 C was broadcast on request only. */
const gemmBroadcast: Upgrade = { since: 7, apply: form => form.without('broadcast') };

export const linearUpgrades = { Gemm: [gemmBroadcast] };
