/** `AttributeProto` ↔ values, without regard to what an operator makes of them. */
import { printable, SutureError } from '../errors.ts';
import type { AttributeKind } from '../operator.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { DType } from '../type.ts';
import type { ExternalSource } from './external.ts';
import {
  type AttributeProto,
  AttributeType,
  attributeTypeName,
  type GraphProto,
  type MessageInit,
} from './proto/schema.ts';
import { dataTypeOf, dtypeOf, readTensor, writeTensor } from './tensor.ts';

/** The value of an attribute of a file. 64-bit integers past 2^53 are cut to it: only "to the end" is that large. */
export type AttributeValue =
  | { readonly kind: 'int' | 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints' | 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'graph'; readonly value: GraphProto };

const clamp = (value: bigint): number =>
  Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));

const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Files of IR version 1 do not say which field they use: the first that is there. */
function typeOf(proto: AttributeProto): number {
  if (proto.type !== undefined && proto.type !== AttributeType.UNDEFINED) return proto.type;
  if (proto.f !== undefined) return AttributeType.FLOAT;
  if (proto.i !== undefined) return AttributeType.INT;
  if (proto.s !== undefined) return AttributeType.STRING;
  if (proto.t !== undefined) return AttributeType.TENSOR;
  if (proto.g !== undefined) return AttributeType.GRAPH;
  if (proto.floats.length > 0) return AttributeType.FLOATS;
  if (proto.strings.length > 0) return AttributeType.STRINGS;
  return AttributeType.INTS;
}

/**
 * The value of an attribute.
 *
 * @param where the node, for errors.
 * @throws SutureError `model-unsupported` for the types that no supported operator has (sparse tensors, types, lists of
 * tensors or graphs); what `readTensor` throws.
 */
export function readAttribute(
  proto: AttributeProto,
  source: ExternalSource | undefined,
  where: string,
): AttributeValue {
  const type = typeOf(proto);
  switch (type) {
    case AttributeType.FLOAT:
      return { kind: 'float', value: proto.f ?? 0 };
    case AttributeType.INT:
      return { kind: 'int', value: clamp(proto.i ?? 0n) };
    case AttributeType.STRING:
      return { kind: 'string', value: text(proto.s ?? new Uint8Array()) };
    case AttributeType.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case AttributeType.INTS:
      return { kind: 'ints', value: proto.ints.map(clamp) };
    case AttributeType.STRINGS:
      return { kind: 'strings', value: proto.strings.map(text) };
    case AttributeType.TENSOR:
      if (proto.t === undefined) break;
      return {
        kind: 'tensor',
        value: readTensor(proto.t, source, `The attribute '${printable(proto.name ?? '')}' of ${where}`),
      };
    case AttributeType.GRAPH:
      if (proto.g === undefined) break;
      return { kind: 'graph', value: proto.g };
  }
  throw new SutureError(
    'model-unsupported',
    `${where} has the attribute '${printable(proto.name ?? '')}' of type ${attributeTypeName(type)}, which can't be read.`,
  );
}

/** An attribute's value as an operator's declaration wants it; undefined when it is of another kind. */
export function convertAttribute(value: AttributeValue, kind: AttributeKind): unknown {
  if (kind === 'dtype') return value.kind === 'int' ? dtypeOf(value.value) : undefined;
  if (kind === 'graph') return undefined;
  // Exporters write an empty list of either type.
  if ((kind === 'floats' && value.kind === 'ints') || (kind === 'ints' && value.kind === 'floats')) {
    return value.value.length === 0 ? [] : undefined;
  }
  return value.kind === kind ? value.value : undefined;
}

/** An attribute of the IR as a message. */
export function writeAttribute(
  name: string,
  kind: Exclude<AttributeKind, 'graph'>,
  value: unknown,
): MessageInit<'AttributeProto'> {
  switch (kind) {
    case 'int':
      return { name, type: AttributeType.INT, i: BigInt(value as number) };
    case 'float':
      return { name, type: AttributeType.FLOAT, f: value as number };
    case 'string':
      return { name, type: AttributeType.STRING, s: bytes(value as string) };
    case 'ints':
      return { name, type: AttributeType.INTS, ints: (value as readonly number[]).map(BigInt) };
    case 'floats':
      return { name, type: AttributeType.FLOATS, floats: value as readonly number[] };
    case 'strings':
      return { name, type: AttributeType.STRINGS, strings: (value as readonly string[]).map(bytes) };
    case 'tensor':
      return { name, type: AttributeType.TENSOR, t: writeTensor(value as Tensor) };
    case 'dtype':
      return { name, type: AttributeType.INT, i: BigInt(dataTypeOf[value as DType]) };
    default:
      return kind satisfies never;
  }
}

/** A value as the tensor that a `Constant` node gives; undefined where it is none. */
export function asTensor(value: AttributeValue): Tensor | undefined {
  switch (value.kind) {
    case 'tensor':
      return value.value;
    case 'int':
      return tensor('int64', [], BigInt64Array.of(BigInt(value.value)));
    case 'float':
      return tensor('float32', [], Float32Array.of(value.value));
    case 'ints':
      return tensor('int64', [value.value.length], BigInt64Array.from(value.value, BigInt));
    case 'floats':
      return tensor('float32', [value.value.length], Float32Array.from(value.value));
    case 'string':
    case 'strings':
    case 'graph':
      return undefined;
    default:
      return value satisfies never;
  }
}
