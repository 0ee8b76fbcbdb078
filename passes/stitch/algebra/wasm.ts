/** As much of an assembler for WebAssembly (core specification 2.0, with vectors) as a kernel on matrices needs. */

/** An instruction with its operands, as bytes. */
export type Instruction = readonly number[];

/** An integer in LEB128, without sign. */
function unsigned(value: number): number[] {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}

/** An integer in LEB128, with sign. */
function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return last ? [low] : [low | 0x80, ...signed(rest)];
}

const vector = (code: number, ...operands: readonly number[]): Instruction => [0xfd, ...unsigned(code), ...operands];

/** Instructions; numbers are i32, vectors f64x2. Memory is addressed by a number from the stack plus a constant offset. */
export const op = {
  get: (local: number): Instruction => [0x20, ...unsigned(local)],
  set: (local: number): Instruction => [0x21, ...unsigned(local)],
  number: (value: number): Instruction => [0x41, ...signed(value)],
  plus: [0x6a],
  times: [0x6c],
  /** i32.lt_u */
  less: [0x49],
  loadVector: (offset: number): Instruction => vector(0, 3, ...unsigned(offset)),
  zeroVector: vector(12, ...Array<number>(16).fill(0)),
  add: vector(240),
  multiply: vector(242),
  /** f64x2.extract_lane */
  lane: (index: 0 | 1): Instruction => vector(33, index),
  /** f64.add */
  addNumbers: [0xa0],
  /** f64.store */
  storeNumber: (offset: number): Instruction => [0x39, 3, ...unsigned(offset)],
  /** The body once, and again as long as the condition holds. */
  repeat: (body: readonly Instruction[], condition: readonly Instruction[]): readonly Instruction[] => [
    [0x03, 0x40],
    ...body,
    ...condition,
    [0x0d, 0],
    [0x0b],
  ],
} as const;

interface WasmFunction {
  /** What the function is exported as; the memory is exported as `memory`. */
  readonly name: string;
  /** How many numbers it takes: its first locals. */
  readonly parameters: number;
  /** How many further locals are numbers, and how many after these are vectors. */
  readonly numbers: number;
  readonly vectors: number;
  /** Pages of 64 KiB. */
  readonly pages: number;
  readonly body: readonly Instruction[];
}

const [i32, v128] = [0x7f, 0x7b];

/** A module with one function that returns nothing, and a memory. */
export function wasmModule({ name, parameters, numbers, vectors, pages, body }: WasmFunction): Uint8Array {
  const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
  const section = (id: number, bytes: readonly number[]): number[] => [id, ...sized(bytes)];
  const text = (value: string): number[] => sized([...new TextEncoder().encode(value)]);
  const locals = [2, ...unsigned(numbers), i32, ...unsigned(vectors), v128];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, ...sized(Array<number>(parameters).fill(i32)), 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, ...unsigned(pages)]),
    ...section(7, [2, ...text(name), 0, 0, ...text('memory'), 2, 0]),
    ...section(10, [1, ...sized([...locals, ...body.flat(), 0x0b])]),
  ]);
}
