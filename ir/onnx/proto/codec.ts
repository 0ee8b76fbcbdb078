/**
 * Bytes ↔ ONNX messages, by the table of `schema.ts`, with the wire format of protobufjs. No code is generated: pages whose policy
 * forbids `eval` read and write models too.
 *
 * Nothing is lost: fields that the table does not know are kept with the message they stand in and written back
 * (`unknownFields` lists them). 64-bit integers are `bigint`. `bytes` fields of a decoded message are views of the
 * input, not copies: never take their `.buffer` without `byteOffset` and `byteLength`.
 */
import protobuf from 'protobufjs/minimal.js';
import { printable, SutureError } from '../../errors.ts';
import type { FieldSpec, Message, MessageInit, MessageName, ModelProto } from './schema.ts';
import { SCHEMA } from './schema.ts';

/** A single protobuf message can't be longer than this: its lengths are signed 32-bit integers. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

const TABLE: Readonly<Record<string, Readonly<Record<string, FieldSpec>>>> = SCHEMA;

/** How protobuf writes each scalar: a varint (0), eight bytes (1), a length and bytes (2), or four bytes (5). */
const WIRES = { string: 2, bytes: 2, int32: 0, float: 5, double: 1, int64: 0, uint64: 0 } as const;
type Scalar = keyof typeof WIRES;
const DELIMITED = 2;

/** A field as it is read and written: what its type is, is looked up once. */
interface Field {
  readonly name: string;
  readonly id: number;
  /** Undefined for a message. */
  readonly scalar: Scalar | undefined;
  readonly message: MessageName | undefined;
  readonly wire: number;
  readonly repeated: boolean;
  readonly packed: boolean;
}

/** A message of the table. */
interface Layout {
  /** In the order of their numbers, which is the order in a file. */
  readonly fields: readonly Field[];
  readonly byId: ReadonlyMap<number, Field>;
  /** The names of those that repeat. */
  readonly lists: readonly string[];
}

const isScalar = (type: string): type is Scalar => Object.hasOwn(WIRES, type);

function layoutOf(specs: Readonly<Record<string, FieldSpec>>): Layout {
  const fields = Object.entries(specs).map(([name, [id, type, rule]]): Field => {
    const scalar = isScalar(type) ? type : undefined;
    return {
      ...{ name, id, scalar, message: scalar ? undefined : (type as MessageName) },
      ...{ wire: scalar ? WIRES[scalar] : DELIMITED, repeated: rule !== undefined, packed: rule === 'packed' },
    };
  });
  return {
    fields: fields.sort((p, q) => p.id - q.id),
    byId: new Map(fields.map(field => [field.id, field])),
    lists: fields.filter(field => field.repeated).map(field => field.name),
  };
}

const LAYOUTS = Object.fromEntries(
  Object.entries(TABLE).map(([name, specs]) => [name, layoutOf(specs)]),
) as unknown as Readonly<Record<MessageName, Layout>>;

const longToBigint = (long: { readonly high: number; readonly low: number }): bigint =>
  (BigInt(long.high) << 32n) | BigInt(long.low >>> 0);

const bigintToLong = (value: bigint) => ({
  high: Number(BigInt.asIntN(32, value >> 32n)),
  low: Number(BigInt.asIntN(32, value)),
  unsigned: true,
});

type Long = Parameters<typeof longToBigint>[0];

/** How each scalar is read. Malformed UTF-8 is refused: it could not be written back. */
const READ: { readonly [S in Scalar]: (from: protobuf.Reader) => unknown } = {
  string: from => from.stringVerify(),
  bytes: from => from.bytes(),
  int32: from => from.int32(),
  float: from => from.float(),
  double: from => from.double(),
  int64: from => longToBigint(from.int64() as Long),
  uint64: from => BigInt.asUintN(64, longToBigint(from.uint64() as Long)),
};

/** How each scalar is written. */
const WRITE: { readonly [S in Scalar]: (to: protobuf.Writer, value: never) => unknown } = {
  string: (to, value: string) => to.string(value),
  bytes: (to, value: Uint8Array) => to.bytes(value),
  int32: (to, value: number) => to.int32(value),
  float: (to, value: number) => to.float(value),
  double: (to, value: number) => to.double(value),
  int64: (to, value: bigint) => to.uint64(bigintToLong(value)),
  uint64: (to, value: bigint) => to.uint64(bigintToLong(value)),
};

/** A message while it is read. */
interface Reading {
  [field: string]: unknown;
  $unknowns?: Uint8Array[];
}

/** Messages may lie in each other so deep. */
const mostDeep = 100;

function requireDepth(depth: number): void {
  if (depth > mostDeep) throw new Error(`messages lie in each other more than ${mostDeep} deep`);
}

/** Reads the bytes up to `end`. What was read of the same field before is added to, as protobuf has it. */
function read(name: MessageName, from: protobuf.Reader, end: number, depth: number, before?: Reading): Reading {
  requireDepth(depth);
  const { byId, lists } = LAYOUTS[name];
  const message: Reading = before ?? Object.fromEntries(lists.map(list => [list, []]));
  const outer = from.len;
  if (end > outer) throw new RangeError('a message ends after what it lies in');
  from.len = end;
  while (from.pos < end) {
    const start = from.pos;
    const tag = from.tag();
    const field = byId.get(tag >>> 3);
    if (field && readField(field, tag & 7, from, message, depth)) continue;
    from.skipType(tag & 7, depth, tag >>> 3);
    if (!message.$unknowns) Object.defineProperty(message, '$unknowns', { value: [] });
    message.$unknowns!.push(from.raw(start, from.pos));
  }
  if (from.pos !== end) throw new RangeError('a field ends after the message that it lies in');
  from.len = outer;
  return message;
}

/** Whether the field is written as its type is. Repeated numbers may be packed or not, whatever the table says. */
function readField(field: Field, wire: number, from: protobuf.Reader, to: Reading, depth: number): boolean {
  const { name, scalar, message, repeated } = field;
  const isPacked = repeated && scalar !== undefined && field.wire !== DELIMITED && wire === DELIMITED;
  if (!isPacked && wire !== field.wire) return false;
  const next = (before?: Reading): unknown => {
    if (scalar) return READ[scalar](from);
    const size = from.size();
    return read(message!, from, from.pos + size, depth + 1, before);
  };
  if (isPacked) {
    const values = to[name] as unknown[];
    const size = from.size();
    const end = from.pos + size;
    if (end > from.len) throw new RangeError('a list ends after the message that it lies in');
    while (from.pos < end) values.push(next());
    if (from.pos !== end) throw new RangeError('a number ends after the list that it lies in');
  } else if (repeated) (to[name] as unknown[]).push(next());
  else to[name] = next(to[name] as Reading | undefined);
  return true;
}

/** Writes known fields in the order of their numbers, then the unknown ones. */
function write(name: MessageName, message: Reading, to: protobuf.Writer, depth: number): void {
  requireDepth(depth);
  for (const field of LAYOUTS[name].fields) {
    const value = message[field.name];
    // Most fields of most messages are absent.
    if (value === undefined || value === null) continue;
    if (field.packed) {
      const items = value as readonly unknown[];
      if (items.length === 0) continue;
      to.uint32((field.id << 3) | DELIMITED).fork();
      for (const item of items) writeItem(field, item, to, depth);
      to.ldelim();
    } else if (field.repeated) for (const item of value as readonly unknown[]) writeTagged(field, item, to, depth);
    else writeTagged(field, value, to, depth);
  }
  if (message.$unknowns) for (const raw of message.$unknowns) to.raw(raw);
}

function writeTagged(field: Field, item: unknown, to: protobuf.Writer, depth: number): void {
  to.uint32((field.id << 3) | field.wire);
  writeItem(field, item, to, depth);
}

function writeItem({ scalar, message }: Field, item: unknown, to: protobuf.Writer, depth: number): void {
  if (scalar) WRITE[scalar](to, item as never);
  else {
    to.fork();
    write(message!, item as Reading, to, depth + 1);
    to.ldelim();
  }
}

/**
 * Decodes one message.
 *
 * @throws SutureError `model-unreadable` when the bytes are no such message.
 */
export function decodeMessage<M extends MessageName>(name: M, bytes: Uint8Array, what = `A ${name}`): Message<M> {
  if (bytes.byteLength > MAX_MESSAGE_BYTES) throw tooLarge(what, bytes.byteLength);
  try {
    return read(name, protobuf.Reader.create(bytes), bytes.byteLength, 0) as unknown as Message<M>;
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
    const target = protobuf.Writer.create();
    write(name, message as Reading, target, 0);
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
