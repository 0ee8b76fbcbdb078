/** Model-local functions of a file, and our own operators among them. */
import { sameBytes } from '../bytes.ts';
import { isOpName, isSutureOp, type SutureOp } from '../ops/index.ts';
import { encodeMessage } from './proto/codec.ts';
import type { AttributeProto, FunctionProto, MessageInit } from './proto/schema.ts';

export type FunctionTable = ReadonlyMap<string, FunctionProto>;

/** What a call names a function by. */
export const functionKey = (domain: string, name: string, overload: string | undefined): string =>
  JSON.stringify([domain, name, overload ?? '']);

export const functionTable = (functions: readonly FunctionProto[]): FunctionTable =>
  new Map(
    functions.map(f => [functionKey(f.domain === 'ai.onnx' ? '' : (f.domain ?? ''), f.name ?? '', f.overload), f]),
  );

/**
 * Our own operators are written as functions of the domain `suture`, one for each body that is needed: `Stitch`, or
 * `Stitch.2` for a second one. The operator is what stands before the dot.
 */
export function sutureOperator(functionName: string): SutureOp | undefined {
  const [op] = functionName.split('.', 1);
  return isOpName(op) && isSutureOp(op) ? op : undefined;
}

/** The name of the `index`-th function of an operator; see `sutureOperator`. */
export const sutureFunction = (op: SutureOp, index: number): string => (index === 1 ? op : `${op}.${index}`);

/** Whether two functions compute the same in the same words; what is said about them does not count. */
export function sameFunction(a: MessageInit<'FunctionProto'>, b: MessageInit<'FunctionProto'>): boolean {
  const [first, second] = [a, b].map(({ name, domain, input, output, attribute, node, opsetImport }) =>
    encodeMessage('FunctionProto', {
      name,
      domain,
      input,
      output,
      attribute,
      node: node?.map(n => ({
        opType: n.opType,
        domain: n.domain,
        input: n.input,
        output: n.output,
        attribute: n.attribute,
      })),
      opsetImport,
    } as MessageInit<'FunctionProto'>),
  );
  return sameBytes(first, second);
}

/** A node's attributes, those that refer to attributes of the enclosing function replaced; unset ones are left out. */
export function bindAttributes(
  attributes: readonly AttributeProto[],
  given: ReadonlyMap<string, AttributeProto>,
): readonly AttributeProto[] {
  return attributes.flatMap(proto => {
    if (!proto.refAttrName) return [proto];
    const value = given.get(proto.refAttrName);
    return value === undefined ? [] : [{ ...value, name: proto.name ?? '' }];
  });
}
