/**
 * Bytes ↔ ONNX messages, on protobufjs with the table of `schema.ts`.
 *
 * Nothing is lost: fields that the table does not know are kept with the message they stand in and written back
 * (`unknownFields` lists them). 64-bit integers are `bigint`. `bytes` fields of a decoded message are views of the
 * input, not copies: never take their `.buffer` without `byteOffset` and `byteLength`.
 */
import protobuf from 'protobufjs/light.js';
import { printable, SutureError } from '../../errors.ts';
import type { FieldSpec, Message, MessageInit, MessageName, ModelProto } from './schema.ts';
import { SCHEMA } from './schema.ts';

/** A single protobuf message can't be longer than this: its lengths are signed 32-bit integers. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

const TABLE: Readonly<Record<string, Readonly<Record<string, FieldSpec>>>> = SCHEMA;

const types: Readonly<Record<string, protobuf.Type>> = buildTypes();

/** The protobufjs types of the table. Types built in code have proto2 semantics, those of onnx.proto. */
function buildTypes(): Readonly<Record<string, protobuf.Type>> {
  const root = new protobuf.Root();
  const built: Record<string, protobuf.Type> = {};
  for (const [name, fields] of Object.entries(TABLE)) {
    const type = new protobuf.Type(name);
    for (const [fieldName, [id, fieldType, rule]] of Object.entries(fields)) {
      const options = rule === 'packed' ? { packed: true } : undefined;
      type.add(new protobuf.Field(fieldName, id, fieldType, rule && 'repeated', undefined, options));
    }
    root.add(type);
    built[name] = type;
  }
  root.resolveAll();
  for (const type of Object.values(built)) {
    // The library's defaults ('' and 0) would hide that a field is absent. Repeated fields keep their empty array.
    const prototype: object = type.ctor.prototype;
    for (const field of type.fieldsArray) {
      if (field.repeated) continue;
      Object.defineProperty(prototype, field.name, { value: undefined, writable: true, configurable: true });
    }
  }
  return built;
}

const longToBigint = (long: { readonly high: number; readonly low: number }): bigint =>
  (BigInt(long.high) << 32n) | BigInt(long.low >>> 0);

const bigintToLong = (value: bigint): { high: number; low: number } => ({
  high: Number(BigInt.asIntN(32, value >> 32n)),
  low: Number(BigInt.asIntN(32, value)),
});

/** A reader that keeps unknown fields, refuses malformed UTF-8 and reads 64-bit integers as `bigint`. */
function readerOf(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const { int64, uint64, stringVerify } = protobuf.Reader.prototype;
  return Object.assign(reader, {
    discardUnknown: false,
    string: stringVerify,
    int64: () => longToBigint(int64.call(reader)),
    uint64: () => BigInt.asUintN(64, longToBigint(uint64.call(reader))),
  }) as unknown as protobuf.Reader;
}

function writer(): protobuf.Writer {
  const created = protobuf.Writer.create();
  const { int64, uint64 } = protobuf.Writer.prototype;
  const write64 = (value: bigint) => uint64.call(created, bigintToLong(value) as Parameters<typeof int64>[0]);
  const write64s = (values: readonly bigint[]) => {
    created.fork();
    for (const value of values) write64(value);
    return created.ldelim();
  };
  return Object.assign(created, { int64: write64, uint64: write64, int64s: write64s, uint64s: write64s });
}

/**
 * Decodes one message.
 *
 * @throws SutureError `model-unreadable` when the bytes are no such message.
 */
export function decodeMessage<M extends MessageName>(name: M, bytes: Uint8Array, what = `A ${name}`): Message<M> {
  if (bytes.byteLength > MAX_MESSAGE_BYTES) throw tooLarge(what, bytes.byteLength);
  try {
    return types[name].decode(readerOf(bytes)) as unknown as Message<M>;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SutureError(
      'model-unreadable',
      `${what} can't be read as ONNX: the ${bytes.byteLength} bytes are truncated, damaged or another format (${printable(reason)}).`,
      { cause },
    );
  }
}

/**
 * Encodes a message: known fields in the order of their numbers, then the unknown ones that came with it.
 *
 * @throws SutureError `output-unwritable` when it would pass protobuf's limit of 2 GiB.
 */
export function encodeMessage<M extends MessageName>(name: M, message: MessageInit<M>): Uint8Array {
  let size = 0;
  try {
    const target = types[name].encode(message as { [key: string]: unknown }, writer());
    size = target.pos;
    if (size <= MAX_MESSAGE_BYTES) return target.finish();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
  }
  throw new SutureError(
    'output-unwritable',
    `The ${name}${size ? ` of ${size} bytes` : ''} passes protobuf's limit of 2 GiB: keep its tensors in external data.`,
  );
}

/**
 * Decodes a model. Any bytes can by chance be a protobuf message, so a model must also have a graph with outputs and say
 * which operator sets it uses.
 *
 * @param what the file's name, for errors.
 * @throws SutureError `model-unreadable`.
 */
export function decodeModel(bytes: Uint8Array, what = 'The model'): ModelProto {
  if (bytes.byteLength === 0) {
    throw new SutureError('model-unreadable', `${what} is empty: an ONNX model was expected.`);
  }
  const model = decodeMessage('ModelProto', bytes, what);
  const missing =
    model.graph === undefined
      ? 'has no graph'
      : model.graph.output.length === 0
        ? 'has a graph without outputs'
        : model.opsetImport.length === 0
          ? 'names no operator set'
          : undefined;
  if (missing !== undefined) {
    throw new SutureError('model-unreadable', `${what} is no ONNX model: what was read ${missing}.`);
  }
  return model;
}

/** Encodes a model; see `encodeMessage`. */
export const encodeModel = (model: MessageInit<'ModelProto'>): Uint8Array => encodeMessage('ModelProto', model);

/** A field that the file holds and the table does not know. */
interface UnknownField {
  /** Where it stands, e.g. `graph.node[3]`; empty for the outermost message. */
  readonly path: string;
  readonly message: MessageName;
  /** The field's number. */
  readonly field: number;
}

/** Every unknown field of a decoded message, in depth. They are written back by `encodeMessage`. */
export function unknownFields<M extends MessageName>(name: M, message: Message<M>): UnknownField[] {
  const found: UnknownField[] = [];
  collectUnknown(name, message, '', found);
  return found;
}

interface Decoded {
  readonly $unknowns?: readonly Uint8Array[];
  readonly [field: string]: unknown;
}

function collectUnknown(name: MessageName, message: object, path: string, found: UnknownField[]): void {
  const decoded = message as Decoded;
  for (const raw of decoded.$unknowns ?? []) {
    found.push({ path, message: name, field: protobuf.Reader.create(raw).tag() >>> 3 });
  }
  for (const [field, [, type]] of Object.entries(TABLE[name])) {
    const value = decoded[field];
    if (value === undefined || !(type in SCHEMA)) continue;
    const inner = path === '' ? field : `${path}.${field}`;
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) collectUnknown(type as MessageName, item, `${inner}[${i}]`, found);
    } else {
      collectUnknown(type as MessageName, value as object, inner, found);
    }
  }
}

/**
 * A copy of a message with some fields changed. Unlike an object spread it keeps the unknown fields.
 */
export function amend<M extends MessageName>(message: MessageInit<M>, changes: MessageInit<M>): MessageInit<M> {
  const copy = { ...message, ...changes };
  const { $unknowns } = message as Decoded;
  if ($unknowns !== undefined) Object.defineProperty(copy, '$unknowns', { value: $unknowns });
  return copy;
}

/** @internal for readers of files. */
export function tooLarge(what: string, size: number): SutureError {
  return new SutureError(
    'model-unreadable',
    `${what} has ${size} bytes, more than the 2 GiB that a protobuf message can hold: export the model with its weights as external data.`,
  );
}

/** A 64-bit integer of a file as a number. Undefined when it can't be held exactly. */
export function exactNumber(value: bigint): number | undefined {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
