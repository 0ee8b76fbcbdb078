/**
 * A run as TensorBoard reads one: a file of events, each a record of TensorFlow's (length, checksum, bytes, checksum) that holds a message
 * `Event` of Protocol Buffers. The numbers of fields are those of `event.proto`, `summary.proto`, `tensor.proto` in
 * `tensorboard/compat/proto`.
 */
import protobuf from 'protobufjs/minimal.js';
import { crc32c } from '../data/crc32.ts';
import type { TrackedRun } from './tracked.ts';

/** The name of the file; any that has `tfevents` in it is read. */
export const eventsName = ({ begun }: Pick<TrackedRun, 'begun'>): string =>
  `events.out.tfevents.${Math.floor(begun / 1000)}.suture`;

/** Whether a file of that name is of {@link eventsName}, and not of another program. */
export const isEventsName = (name: string): boolean => /^events\.out\.tfevents\.\d+\.suture$/.test(name);

/** Bytes as a record: 8 bytes of length, little-endian, and behind them and behind the data what they add up to. */
function recordOf(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(record.subarray(0, 8))), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return record;
}

/** A checksum of data that holds checksums is no good: so TensorFlow turns it and adds a number. */
const masked = (sum: number): number => (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;

/** The key of a field on the wire. */
const field = (number: number, type: 'varint' | 'fixed64' | 'bytes' | 'fixed32'): number =>
  (number << 3) | { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 }[type];

type Writer = protobuf.Writer;
type Write = (writer: Writer) => Writer;

const message = (number: number, write: Write): Write => {
  const key = field(number, 'bytes');
  return writer => write(writer.uint32(key).fork()).ldelim();
};

/** `Event`: wall_time 1, step 2. */
const event = (seconds: number, step: number, write: Write): Uint8Array => {
  const writer = protobuf.Writer.create().uint32(field(1, 'fixed64')).double(seconds);
  if (step !== 0) writer.uint32(field(2, 'varint')).int64(step);
  return write(writer).finish();
};

/** `Event.file_version` 3. */
const version: Write = writer => writer.uint32(field(3, 'bytes')).string('brain.Event:2');

/** `Event.summary` 5, `Summary.value` 1, `Value.tag` 1, and what it holds. */
const summary = (tag: string, write: Write): Write =>
  message(
    5,
    message(1, writer => write(writer.uint32(field(1, 'bytes')).string(tag))),
  );

/** `Value.simple_value` 2. */
const scalar =
  (value: number): Write =>
  writer =>
    writer.uint32(field(2, 'fixed32')).float(value);

/** `Value.tensor` 8: dtype 1, DT_STRING (7), tensor_shape 2, of no axes, string_val 8. Then `Value.metadata` 9: the plugin that shows it. */
const words = (text: string): Write => {
  const tensor = message(8, writer =>
    message(
      2,
      shape => shape,
    )(writer.uint32(field(1, 'varint')).int32(7))
      .uint32(field(8, 'bytes'))
      .string(text),
  );
  const metadata = message(
    9,
    message(1, writer => writer.uint32(field(1, 'bytes')).string('text')),
  );
  return writer => metadata(tensor(writer));
};

/** The file of events of a run: its metrics, and its parameters and note as text. */
export function eventsOf({ begun, ended, metrics, parameters, tags, note }: TrackedRun): Uint8Array {
  const [start, end] = [begun / 1000, ended / 1000];
  const events = [event(start, 0, version)];
  const rows = Object.entries({ ...parameters, ...tags }).map(row => `| ${row.map(cellText).join(' | ')} |`);
  events.push(event(start, 0, summary('parameters', words(['| name | value |', '|---|---|', ...rows].join('\n')))));
  if (note !== undefined) events.push(event(end, 0, summary('note', words(note))));
  for (const [tag, points] of metrics) {
    for (const { step, value } of points) events.push(event(end, step, summary(tag, scalar(value))));
  }
  return Buffer.concat(events.map(recordOf));
}

/** Text in a cell of a table in Markdown. */
const cellText = (text: string): string => text.replace(/[\\|]/g, '\\$&').replace(/\s+/g, ' ');
