import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import { type OpName, operators } from '../../../ir/ops/index.ts';
import { float32 } from '../../../ir/tensor.ts';
import { ruleOf } from '../../../passes/differentiate/adjoints/index.ts';
import {
  type Case,
  features,
  matrices,
  movements,
  normalizations,
  otherResizes,
  reductions,
  resizes,
  windows,
} from './cases.ts';
import { checkGradient } from './check.ts';
import { broadcast, unary } from './elementwise.cases.ts';

const families: readonly (readonly [string, readonly Case[]])[] = [
  ['functions of one operand', unary],
  ['functions of several operands', broadcast],
  ['matrix products', matrices],
  ['convolutions and poolings', windows],
  ['normalisations', normalizations],
  ['reductions', reductions],
  ['interpolations', [...resizes, ...otherResizes]],
  ['movements', movements],
  ['stitches', features],
];

describe.each(families)('adjoints of %s against central differences', (_, cases) => {
  for (const [name, operands, build, options] of cases) {
    it(name, () => checkGradient(operands, build, options));
  }
});

/** The operators of a case through which a gradient passes. */
function differentiated([, operands, build]: Case): readonly OpName[] {
  const b = new GraphBuilder('case');
  const inputs = operands.map(({ shape, frozen }, i) =>
    frozen
      ? b.constant(float32(shape, new Float32Array(shape.reduce((x, y) => x * y, 1))))
      : b.input(`x${i}`, { dtype: 'float32', shape }),
  );
  b.output('y', build(b, inputs));
  const varies = new Set(inputs.filter(v => !v.constant));
  return b.build().nodes.flatMap(node => {
    if (!node.inputs.some(v => v && varies.has(v))) return [];
    for (const output of node.outputs) varies.add(output);
    return [node.op];
  });
}

describe('the cases', () => {
  it('hold every operator that has an adjoint', () => {
    const covered = new Set(families.flatMap(([, cases]) => cases.flatMap(differentiated)));
    const rules = (Object.keys(operators) as OpName[]).filter(op => typeof ruleOf(op) === 'function');
    expect(rules.filter(op => !covered.has(op))).toEqual([]);
  });

  it('would find a wrong rule', async () => {
    // The rule of Floor says zero, which is not so for differences that step over an integer.
    const wrong = checkGradient([{ shape: [400] }], (b, [x]) =>
      b.op('Add', [b.op('Floor', [x]), b.op('Mul', [x, b.scalar(1e-3)])]),
    );
    await expect(wrong).rejects.toThrow();
  });
});
