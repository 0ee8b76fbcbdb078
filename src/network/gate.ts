/** Over what an exported network's gate acts, as its file says: whoever runs a network that is gated over cases gives it whole cases. */
import type { Graph } from '../../ir/index.ts';
import { type GateScope, gateScopes } from '../../passes/index.ts';

const key = 'suture.gate.over';

/** For the reader of a file. */
const notes: Readonly<Record<GateScope, string>> = {
  image:
    'weighs the outputs on each element of the batch axis alone: where an image is predicted in tiles, each tile for itself',
  case: 'weighs the outputs alike on all elements of the batch axis: give it all tiles of one case in one batch, and nothing else',
};

/** A gate as the metadata of a file. */
export const gateMetadata = (over: GateScope): Readonly<Record<string, string>> => ({
  'suture.gate': notes[over],
  [key]: over,
});

/** Undefined where there is no gate, or it is not known. */
export const gateScopeOf = ({ info: { metadata = {} } }: Graph): GateScope | undefined =>
  gateScopes.find(scope => scope === metadata[key]);
