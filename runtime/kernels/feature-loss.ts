/** The loss between a feature and its reference, and its adjoint. */
import { inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import type { Dispatch, KernelContext, KernelPlan, Operand } from './kernel.ts';
import { input, mappedPlan, output, reads, scratch, writes } from './mapped.ts';
import { ModuleBuilder } from './module.ts';
import { piecesOf, Rows } from './rows.ts';
import { sizesOf } from './shape.ts';
import { f32, u32 } from './wgsl.ts';

/** Keeps the normalised loss of a feature that never varies finite; the same as in the operator's body. */
const varianceFloor = 1e-8;

/** A feature of so many elements, taken in so many pieces. */
interface Moments {
  readonly length: number;
  readonly pieces: number;
  readonly label: string;
  readonly normalize: boolean;
}

/**
 * The moments that a normalised loss needs, by pieces: the sum of squared differences, the sum of the reference, and the
 * squared deviations of the reference from the piece's own mean. Deviations of pieces combine exactly (Chan, Golub and
 * LeVeque 1979), so one pass over memory does.
 */
function momentPass(
  { length, pieces, label, normalize }: Moments,
  operands: { readonly x: Operand | undefined; readonly reference: Operand; readonly to: Operand },
  context: KernelContext,
): Dispatch {
  const each = length / pieces;
  const rows = new Rows({ outer: pieces, length: each, inner: 1 }, context);
  const module = new ModuleBuilder();
  if (operands.x) module.bind('x', operands.x);
  module.bind('reference', operands.reference);
  module.bind('y', operands.to, 'f32', 'read_write');
  const names = [...(operands.x ? ['squares'] : []), ...(normalize ? ['total'] : [])];
  const body = [
    rows.sums(names, (_k, at) => ({
      statements: `let r = reference[${at}];${operands.x ? ` let d = x[${at}] - r;` : ''}`,
      terms: [...(operands.x ? ['d * d'] : []), ...(normalize ? ['r'] : [])],
    })),
    ...(normalize
      ? [
          `let mean = total / ${f32(each)};`,
          rows.sums(['deviations'], (_k, at) => ({ statements: `let e = reference[${at}] - mean;`, terms: ['e * e'] })),
        ]
      : []),
    rows.once(
      `y[row * 3u] = ${operands.x ? 'squares' : '0.0'}; ${normalize ? 'y[row * 3u + 1u] = mean; y[row * 3u + 2u] = deviations;' : ''}`,
    ),
  ];
  return rows.dispatch(label, module, body);
}

/** WGSL that combines the pieces' moments in `parts` into `squares` and `variance`. */
function combineMoments(length: number, pieces: number, normalize: boolean): string {
  const each = f32(length / pieces);
  const over = (body: string) => `for (var p = 0u; p < ${u32(pieces)}; p++) { ${body} }`;
  return [
    `var squares = 0.0; ${over('squares += parts[p * 3u];')}`,
    ...(normalize
      ? [
          `var means = 0.0; ${over('means += parts[p * 3u + 1u];')}`,
          `let mean = means / ${f32(pieces)};`,
          `var deviations = 0.0; ${over(`let e = parts[p * 3u + 1u] - mean; deviations += parts[p * 3u + 2u] + ${each} * e * e;`)}`,
          `let variance = deviations / ${f32(length)} + ${f32(varianceFloor)};`,
        ]
      : ['let variance = 1.0;']),
  ].join('\n  ');
}

const lossPieces = (context: KernelContext): number => (context.adapterClass === 'gpu' ? 256 : 64);

export function featureLoss(node: Node<'FeatureLoss'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const length = product(shape);
  const pieces = piecesOf(length, lossPieces(context));
  const normalize = node.attributes.normalize !== 0;
  const label = `featureLoss ${shape.join('x')}`;
  const first = momentPass(
    { length, pieces, label, normalize },
    { x: input(0), reference: input(1), to: scratch(0) },
    context,
  );
  const module = new ModuleBuilder();
  module.bind('parts', scratch(0));
  module.bind('y', output(0), 'f32', 'read_write');
  const kept = node.outputs.length > 1;
  if (kept) module.bind('divisor', output(1), 'f32', 'read_write');
  const body = `  ${combineMoments(length, pieces, normalize)}
  y[0] = squares / ${f32(length)} / variance;
  ${kept ? 'divisor[0] = variance;' : ''}`;
  const second = module.dispatch(`${label} sum`, [1, 1, 1], { workgroup: 1, body });
  return { dispatches: [first, second], scratch: [{ bytes: 12 * pieces, lifetime: 'run' }] };
}

export function featureLossGrad(node: Node<'FeatureLossGrad'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 1));
  const length = product(shape);
  const label = `featureLossGrad ${shape.join('x')}`;
  const normalize = node.attributes.normalize !== 0;
  const pieces = piecesOf(length, lossPieces(context));
  const given = normalize && node.inputs[3] !== undefined;
  const anew = normalize && !given;
  const moments = anew
    ? [momentPass({ length, pieces, label, normalize }, { x: undefined, reference: input(2), to: scratch(0) }, context)]
    : [];
  const factor: Dispatch[] = [];
  if (anew) {
    const module = new ModuleBuilder();
    module.bind('parts', scratch(0));
    module.bind('divisor', scratch(1), 'f32', 'read_write');
    const body = `  ${combineMoments(length, pieces, true)}
  divisor[0] = variance + 0.0 * squares;`;
    factor.push(module.dispatch(`${label} sum`, [1, 1, 1], { workgroup: 1, body }));
  }
  const scaled = mappedPlan(
    {
      label,
      shape: [length],
      bindings: {
        dloss: reads(input(0)),
        x: reads(input(1)),
        reference: reads(input(2)),
        ...(normalize && { divisor: reads(given ? input(3) : scratch(1)) }),
        dx: writes(output(0)),
      },
      element: i =>
        `dx[${i}] = (x[${i}] - reference[${i}]) * (dloss[0] * ${f32(2 / length)}${normalize ? ' / divisor[0]' : ''});`,
    },
    context,
  );
  return {
    dispatches: [...moments, ...factor, ...scaled.dispatches],
    scratch: anew
      ? [
          { bytes: 12 * pieces, lifetime: 'run' },
          { bytes: 4, lifetime: 'run' },
        ]
      : [],
  };
}
