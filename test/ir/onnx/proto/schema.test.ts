/** The table holds all that `onnx-proto` (the schema of ONNX 1.10) holds, and writes the same bytes. */
import onnxProto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../../ir/onnx/proto/codec.ts';
import { AttributeType, DataType, type FieldSpec, type MessageName, SCHEMA } from '../../../../ir/onnx/proto/schema.ts';

const { onnx } = onnxProto;

interface Compiled {
  readonly prototype: Readonly<Record<string, unknown>>;
  encode(message: object): { finish(): Uint8Array };
}

/** The messages under the names of `onnx-proto`, which nests some of them. */
const compiled = {
  ModelProto: onnx.ModelProto,
  GraphProto: onnx.GraphProto,
  NodeProto: onnx.NodeProto,
  AttributeProto: onnx.AttributeProto,
  TensorProto: onnx.TensorProto,
  TensorSegment: onnx.TensorProto.Segment,
  SparseTensorProto: onnx.SparseTensorProto,
  ValueInfoProto: onnx.ValueInfoProto,
  TypeProto: onnx.TypeProto,
  TensorTypeProto: onnx.TypeProto.Tensor,
  SequenceTypeProto: onnx.TypeProto.Sequence,
  OptionalTypeProto: onnx.TypeProto.Optional,
  MapTypeProto: onnx.TypeProto.Map,
  TensorShapeProto: onnx.TensorShapeProto,
  DimensionProto: onnx.TensorShapeProto.Dimension,
  FunctionProto: onnx.FunctionProto,
  OperatorSetIdProto: onnx.OperatorSetIdProto,
  StringStringEntryProto: onnx.StringStringEntryProto,
  TensorAnnotation: onnx.TensorAnnotation,
  TrainingInfoProto: onnx.TrainingInfoProto,
} as const;

const samples: Readonly<Record<string, unknown>> = {
  string: 'a/b',
  bytes: Uint8Array.of(1, 2, 3),
  int32: 7,
  float: 0.5,
  double: 0.1,
  int64: 300n,
  uint64: 301n,
};

/** For the compiled encoder, which knows no bigint. */
const plain = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

describe('the message table', () => {
  for (const [name, type] of Object.entries(compiled)) {
    test(`${name} has every field of onnx-proto, under the same number and with the same encoding`, () => {
      const { prototype, encode } = type as unknown as Compiled;
      const table: Readonly<Record<string, FieldSpec>> = SCHEMA[name as MessageName];
      const oneofs = ['value', 'toJSON', 'constructor'];
      const fields = Object.keys(prototype).filter(key => !oneofs.includes(key));
      expect(fields.length).toBeGreaterThan(0);
      for (const field of fields) {
        const spec = table[field];
        expect(spec, `${name}.${field}`).toBeDefined();
        const [, fieldType, rule] = spec;
        const value = samples[fieldType] ?? {};
        const theirs = encode({ [field]: rule ? [plain(value), plain(value)] : plain(value) }).finish();
        const message = { [field]: rule ? [value, value] : value };
        const ours = decodeMessage(name as MessageName, theirs) as Readonly<Record<string, unknown>>;
        if (fieldType in samples) {
          expect(ours[field], `${name}.${field}`).toEqual(rule ? [toBytes(value), toBytes(value)] : toBytes(value));
        } else {
          expect(rule ? (ours[field] as readonly object[])[1] : ours[field], `${name}.${field}`).toBeInstanceOf(Object);
        }
        // onnx-proto follows onnx.proto3, which packs every repeated number; onnx.proto packs those that it says.
        const packs = rule === 'repeated' && ['int64', 'float'].includes(fieldType);
        if (!packs) expect(Buffer.from(encodeMessage(name as MessageName, message))).toEqual(Buffer.from(theirs));
      }
    });
  }

  test('field numbers are unique in each message', () => {
    for (const [name, fields] of Object.entries(SCHEMA)) {
      const numbers = Object.values(fields).map(([id]) => id);
      expect(new Set(numbers).size, name).toBe(numbers.length);
    }
  });

  test('knows every enumeration value of onnx-proto', () => {
    expect(DataType).toMatchObject(named(onnx.TensorProto.DataType));
    expect(AttributeType).toMatchObject(named(onnx.AttributeProto.AttributeType));
  });
});

const toBytes = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value) : value);
const named = (values: object): object =>
  Object.fromEntries(Object.entries(values).filter(([key]) => Number.isNaN(Number(key))));
