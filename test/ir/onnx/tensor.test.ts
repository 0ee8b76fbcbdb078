import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../ir/onnx/proto/codec.ts';
import { DataType, type MessageInit } from '../../../ir/onnx/proto/schema.ts';
import { dataTypeOf, readTensor, writeTensor } from '../../../ir/onnx/tensor.ts';
import { arrayFor, sameTensor, tensor } from '../../../ir/tensor.ts';
import { bytesPerElement, type DType, dtypes } from '../../../ir/type.ts';

/** Through the bytes of a file, at an offset that is not aligned. */
function reread(proto: MessageInit<'TensorProto'>, shift = 0) {
  const bytes = encodeMessage('TensorProto', proto);
  const larger = new Uint8Array(bytes.length + shift);
  larger.set(bytes, shift);
  return readTensor(decodeMessage('TensorProto', larger.subarray(shift)));
}

/** A tensor of any dtype and any bits. */
const anyTensor = fc
  .tuple(fc.constantFrom(...dtypes), fc.array(fc.nat(3), { maxLength: 4 }), fc.infiniteStream(fc.nat(255)))
  .map(([dtype, shape, stream]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = arrayFor(dtype, count);
    const bytes = new Uint8Array(data.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === 'bool' ? stream.next().value & 1 : stream.next().value;
    return tensor(dtype, shape, data);
  });

describe('a tensor of a file', () => {
  test('is the same after writing and reading, for every dtype, shape and alignment', () => {
    fc.assert(
      fc.property(anyTensor, fc.nat(9), (t, shift) => {
        expect(sameTensor(reread(writeTensor(t, 'w'), shift), t)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test.each<[DType, MessageInit<'TensorProto'>, (number | bigint)[]]>([
    ['float32', { floatData: [1.5, -0] }, [1.5, -0]],
    ['float64', { doubleData: [0.1, 1e300] }, [0.1, 1e300]],
    ['int64', { int64Data: [2n ** 53n + 1n, -1n] }, [2n ** 53n + 1n, -1n]],
    ['uint64', { uint64Data: [2n ** 64n - 1n, 0n] }, [2n ** 64n - 1n, 0n]],
    ['uint32', { uint64Data: [2n ** 32n - 1n, 0n] }, [2 ** 32 - 1, 0]],
    ['int32', { int32Data: [-5, 7] }, [-5, 7]],
    ['int16', { int32Data: [-5, 7] }, [-5, 7]],
    ['int8', { int32Data: [-128, 127] }, [-128, 127]],
    ['uint16', { int32Data: [0, 65535] }, [0, 65535]],
    ['uint8', { int32Data: [0, 255] }, [0, 255]],
    ['bool', { int32Data: [1, 0] }, [1, 0]],
    ['float16', { int32Data: [0x3c00, 0xc000] }, [0x3c00, 0xc000]],
    ['bfloat16', { int32Data: [0x3f80, 0xc000] }, [0x3f80, 0xc000]],
  ])('%s is read from its typed field', (dtype, fields, expected) => {
    const t = reread({ dims: [2n], dataType: dataTypeOf[dtype], ...fields });
    expect(t.dtype).toBe(dtype);
    expect([...t.data]).toEqual(expected);
  });

  test('does not copy aligned bytes', () => {
    const rawData = new Uint8Array(new Float32Array([1, 2]).buffer);
    const decoded = decodeMessage('TensorProto', encodeMessage('TensorProto', { rawData }));
    const aligned = { ...decoded, dims: [2n], dataType: DataType.FLOAT, rawData };
    expect(readTensor(aligned).data.buffer).toBe(rawData.buffer);
  });

  const { FLOAT, INT8, BOOL, STRING, FLOAT8E5M2, INT4 } = DataType;
  test.each<[string, MessageInit<'TensorProto'>, string, RegExp]>([
    [
      'too few bytes',
      { dims: [3n], dataType: FLOAT, rawData: new Uint8Array(8) },
      'model-unreadable',
      /needs 12 bytes.*holds 8/,
    ],
    [
      'too few elements',
      { dims: [3n], dataType: FLOAT, floatData: [1] },
      'model-unreadable',
      /needs 3 elements.*holds 1/,
    ],
    ['no elements at all', { dims: [3n], dataType: FLOAT }, 'model-unreadable', /needs 3 elements.*holds 0/],
    [
      'elements of another type',
      { dims: [1n], dataType: FLOAT, int32Data: [1] },
      'model-unreadable',
      /int32Data, but floatData/,
    ],
    [
      'elements twice',
      { dims: [1n], dataType: FLOAT, floatData: [1], rawData: new Uint8Array(4) },
      'model-unreadable',
      /twice/,
    ],
    ['an element out of range', { dims: [1n], dataType: INT8, int32Data: [300] }, 'model-unreadable', /element 300/],
    [
      'a bool of 2',
      { dims: [1n], dataType: BOOL, rawData: Uint8Array.of(2) },
      'model-unreadable',
      /other than 0 and 1/,
    ],
    ['a negative dim', { dims: [-1n], dataType: FLOAT }, 'model-unreadable', /impossible shape/],
    ['absurd dims', { dims: [2n ** 40n, 2n ** 40n], dataType: FLOAT }, 'model-unreadable', /impossible shape/],
    ['segments', { dims: [1n], dataType: FLOAT, segment: { begin: 0n, end: 1n } }, 'model-unreadable', /segments/],
    ['strings', { dims: [1n], dataType: STRING, stringData: [Buffer.from('a')] }, 'model-unsupported', /STRING/],
    [
      '8-bit floats',
      { dims: [1n], dataType: FLOAT8E5M2, rawData: new Uint8Array(1) },
      'model-unsupported',
      /FLOAT8E5M2/,
    ],
    ['4-bit integers', { dims: [2n], dataType: INT4, rawData: new Uint8Array(1) }, 'model-unsupported', /INT4/],
    ['a type of the future', { dims: [1n], dataType: 99 }, 'model-unsupported', /type 99/],
  ])('with %s is refused, and named', (_, proto, code, message) => {
    const read = () => reread({ name: 'w\u001b[31m', ...proto });
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ code }));
    expect(read).toThrow("'w\\x1b[31m'");
  });

  test('every dtype has its own number and width', () => {
    expect(new Set(Object.values(dataTypeOf)).size).toBe(dtypes.length);
    for (const dtype of dtypes) expect(arrayFor(dtype, 1).byteLength).toBe(bytesPerElement[dtype]);
  });
});
