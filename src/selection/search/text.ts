/** Settings in words. */
import type { SuperNetwork } from '../../../passes/index.ts';
import type { DiscreteSetting } from '../../network/discrete.ts';
import { positionsText } from '../combination.ts';

/** `b stitched at 5, 11; a averaged at 38; output gated`, for tables and notes in files. */
export function discreteText(network: SuperNetwork, { uses, output }: DiscreteSetting): string {
  const groups = new Map<string, number[]>();
  for (const { weights, parent, position } of network.switches) {
    const use = uses[weights] ?? 'original';
    if (use === 'original') continue;
    const key = `${parent} ${use}`;
    groups.set(key, [...(groups.get(key) ?? []), position]);
  }
  const places = [...groups].map(([key, positions]) => `${key} at ${positionsText(positions)}`);
  return [...(places.length === 0 ? ['no stitch'] : places), `output ${output}`].join('; ');
}
