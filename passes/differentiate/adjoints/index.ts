import type { OpName } from '../../../ir/ops/index.ts';
import type { AdjointRule, AdjointTable } from '../rule.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { normalization } from './normalization.ts';
import { pooling } from './pooling.ts';
import { reduction } from './reduction.ts';
import { resize } from './resize.ts';
import { stitching } from './stitching.ts';

/** The adjoint of every operator, or null where there is none. */
const adjoints: AdjointTable<OpName> = {
  ...elementwise,
  ...linear,
  ...normalization,
  ...pooling,
  ...reduction,
  ...movement,
  ...indexing,
  Resize: resize,
  ...stitching,
};

/** The rule of an operator that is known at run time only. */
export const ruleOf = (op: OpName): AdjointRule<OpName> => adjoints[op] as unknown as AdjointRule<OpName>;
