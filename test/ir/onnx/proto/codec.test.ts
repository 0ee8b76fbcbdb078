import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SutureError } from '../../../../ir/errors.ts';
import {
  amend,
  decodeMessage,
  decodeModel,
  encodeMessage,
  encodeModel,
  unknownFields,
} from '../../../../ir/onnx/proto/codec.ts';
import type { MessageInit } from '../../../../ir/onnx/proto/schema.ts';

const shared = new URL('../../../../../shared/data/nuclei/', import.meta.url);

const model: MessageInit<'ModelProto'> = {
  irVersion: 12n,
  opsetImport: [{ domain: '', version: 24n }],
  metadataProps: [{ key: 'k', value: 'v' }],
  configuration: [{ name: 'two', numDevices: 2, device: ['a', 'b'] }],
  graph: {
    name: 'g',
    metadataProps: [{ key: 'graph', value: 'scope' }],
    node: [
      {
        input: ['x'],
        output: ['y'],
        opType: 'Relu',
        overload: 'o',
        metadataProps: [{ key: 'namespace', value: 'encoder.stages.0' }],
        deviceConfigurations: [{ configurationId: 'two', pipelineStage: 1, shardingSpec: [{ device: [0n, 1n] }] }],
      },
    ],
    initializer: [{ name: 'w', dims: [0n], dataType: 1, metadataProps: [{ key: 'a', value: 'b' }] }],
    input: [{ name: 'x', metadataProps: [{ key: 'c', value: 'd' }] }],
    output: [{ name: 'y' }],
  },
  functions: [
    { name: 'f', domain: 'd', attributeProto: [{ name: 'alpha', type: 1, f: 0 }], valueInfo: [{ name: 'v' }] },
  ],
};

/** Bytes of an unknown field: number 1000, a string. */
const unknownField = Uint8Array.of(0xc2, 0x3e, 0x02, 0x68, 0x69);

const isSutureError = (run: () => unknown): void => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SutureError);
  }
};

describe('a model', () => {
  test('is the same after decoding and encoding, what ONNX 1.10 does not know included', () => {
    const bytes = encodeModel(model);
    const decoded = decodeModel(bytes);
    expect(decoded).toMatchObject(model);
    expect(Buffer.from(encodeModel(decoded))).toEqual(Buffer.from(bytes));
  });

  test('keeps a field that says zero apart from one that says nothing', () => {
    const said = decodeMessage('AttributeProto', encodeMessage('AttributeProto', { i: 0n, name: '' }));
    expect([said.i, said.name, said.f]).toEqual([0n, '', undefined]);
  });

  test('keeps fields that no version of ONNX knows, at every depth, and says where they are', () => {
    const node = decodeMessage(
      'NodeProto',
      Buffer.concat([encodeMessage('NodeProto', { opType: 'Relu' }), unknownField]),
    );
    const bytes = Buffer.concat([
      encodeModel({ ...model, graph: { ...model.graph, node: [{ opType: 'Abs' }, node] } }),
      unknownField,
    ]);
    const decoded = decodeModel(bytes);
    expect(unknownFields('ModelProto', decoded)).toEqual([
      { path: '', message: 'ModelProto', field: 1000 },
      { path: 'graph.node[1]', message: 'NodeProto', field: 1000 },
    ]);
    expect(Buffer.from(encodeModel(decoded))).toEqual(bytes);
    const amended = encodeModel(amend<'ModelProto'>(decoded, { producerName: 'suture' }));
    expect(unknownFields('ModelProto', decodeModel(amended))).toHaveLength(2);
  });

  test('holds 64-bit integers exactly', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
        (signed, unsigned) => {
          const [i = 0n] = signed;
          const attribute = decodeMessage('AttributeProto', encodeMessage('AttributeProto', { ints: signed, i }));
          expect(attribute.ints).toEqual(signed);
          expect(attribute.i).toBe(i);
          const bytes = encodeMessage('TensorProto', { dims: signed, int64Data: signed, uint64Data: unsigned });
          const tensor = decodeMessage('TensorProto', bytes);
          expect([tensor.dims, tensor.int64Data, tensor.uint64Data]).toEqual([signed, signed, unsigned]);
        },
      ),
    );
  });

  test('is decoded from a view into a larger buffer', () => {
    const bytes = encodeModel(model);
    const larger = new Uint8Array(bytes.length + 20).fill(0xff);
    larger.set(bytes, 7);
    expect(decodeModel(larger.subarray(7, 7 + bytes.length))).toMatchObject(model);
  });
});

describe('bytes that are no model', () => {
  test.each([
    ['nothing', new Uint8Array(0), /is empty/],
    ['text', Buffer.from('<!DOCTYPE html><html></html>'), /truncated, damaged or another format/],
    ['a model without a graph', encodeModel({ irVersion: 8n, opsetImport: [{ version: 17n }] }), /no graph/],
    ['a model without outputs', encodeModel({ graph: {}, opsetImport: [{ version: 17n }] }), /without outputs/],
    ['a model without opset', encodeModel({ graph: { output: [{ name: 'y' }] } }), /names no operator set/],
  ])('%s', (_, bytes, message) => {
    expect(() => decodeModel(bytes, "'m.onnx'")).toThrow(message);
    expect(() => decodeModel(bytes, "'m.onnx'")).toThrow(expect.objectContaining({ code: 'model-unreadable' }));
  });

  test('a name that is no UTF-8 is refused, because it could not be written back', () => {
    const bytes = Buffer.from(encodeModel(model)).toString('latin1').replace('Relu', '\xff\xfe\xfd\xfc');
    expect(() => decodeModel(Buffer.from(bytes, 'latin1'))).toThrow(SutureError);
  });

  test('every truncation of a model', () => {
    const bytes = encodeModel(model);
    for (let length = 0; length < bytes.length; length++) isSutureError(() => decodeModel(bytes.subarray(0, length)));
  });

  test('random bytes, and a model with random bytes changed', () => {
    const bytes = encodeModel(model);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), random => isSutureError(() => decodeModel(random))));
    const change = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(change, changes => {
        const damaged = Uint8Array.from(bytes);
        for (const [at, value] of changes) damaged[at] = value;
        isSutureError(() => encodeModel(decodeModel(damaged)));
      }),
    );
  });
});

describe.skipIf(!existsSync(shared))('models from PyTorch', () => {
  test.each(['parent_a', 'parent_b', 'parent_b_resenc'])('%s is encoded to the same bytes', name => {
    const bytes = readFileSync(new URL(`${name}.onnx`, shared));
    expect(Buffer.compare(encodeModel(decodeModel(bytes)), bytes)).toBe(0);
  });

  test('truncations are refused at once', () => {
    const bytes = readFileSync(new URL('parent_b_resenc.onnx', shared));
    for (let length = 0; length < bytes.length; length += 997) {
      expect(() => decodeModel(bytes.subarray(0, length))).toThrow(SutureError);
    }
  });
});
