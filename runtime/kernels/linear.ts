/** Convolutions and matrix products: from nodes to the specifications of their kernels. */
import { SutureError } from '../../ir/errors.ts';
import type { Node } from '../../ir/graph.ts';
import { convTransposeWindow, convWindow } from '../../ir/ops/linear.ts';
import type { Window } from '../../ir/ops/spatial.ts';
import { convDirect } from './conv-direct.ts';
import type { ConvSpec } from './conv-spec.ts';
import type { Epilogue, KernelContext, KernelPlan } from './kernel.ts';
import { sizesOf } from './shape.ts';
import { storageOf } from './storage.ts';

export function conv(node: Node<'Conv'>, context: KernelContext, epilogue?: Epilogue): KernelPlan {
  const [x, w] = node.inputs;
  const window = convWindow(node.attributes, sizesOf(x!), sizesOf(w!));
  return planConv(node, window, false, context, epilogue);
}

export function convTranspose(node: Node<'ConvTranspose'>, context: KernelContext, epilogue?: Epilogue): KernelPlan {
  const [x, w] = node.inputs;
  const window = convTransposeWindow(node.attributes, sizesOf(x!), sizesOf(w!));
  return planConv(node, window, true, context, epilogue);
}

function planConv(
  node: Node<'Conv' | 'ConvTranspose'>,
  window: Window,
  transposed: boolean,
  context: KernelContext,
  epilogue: Epilogue | undefined,
): KernelPlan {
  const [x, w, bias] = node.inputs;
  const [batch, inChannels, ...input] = sizesOf(x!);
  const [, outChannels, ...output] = sizesOf(node.outputs[0]);
  requireFloat32(node);
  if (input.length > 3)
    throw new SutureError('kernel-missing', `it has ${input.length} spatial axes, and kernels take 3`);
  const spec: ConvSpec = {
    transposed,
    batch,
    inChannels,
    outChannels,
    groups: node.attributes.group,
    input,
    output,
    kernel: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
    padsBegin: window.pads.slice(0, input.length),
    bias: bias !== undefined,
    constantWeights: w!.constant !== undefined,
  };
  return convDirect(spec, { block: [1, 2, 4], channels: 4, workgroup: 32 }, context, epilogue);
}

function requireFloat32(node: Node): void {
  const { dtype } = node.inputs[0]!.type;
  if (storageOf(dtype) !== 'f32') throw new SutureError('kernel-missing', `its kernel takes floats, not ${dtype}`);
}
