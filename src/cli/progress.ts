/** Progress on standard error: a bar with the time left on a terminal, a line now and then elsewhere, of JSON for programs. */
import { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import type { ProgressEvent } from '../execution/progress.ts';
import type { ProgressDisplay, TextStream } from './terminal.ts';

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `3 s`, `2 min 05 s`, `1 h 12 min`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** When a stage began to be told of, in seconds, and what was done of it then: what goes on begins in the middle. */
interface Begin {
  readonly at: number;
  readonly done: number;
}

const beginOf = ({ done }: ProgressEvent): Begin => ({ at: performance.now() / 1000, done });

const secondsSince = ({ at }: Begin): number => performance.now() / 1000 - at;

/** The seconds that are left, by the mean pace since the stage began; undefined where nothing was done since. */
function secondsLeft({ done, total }: ProgressEvent, begin: Begin): number | undefined {
  const since = done - begin.done;
  return since <= 0 || done >= total ? undefined : (secondsSince(begin) / since) * (total - done);
}

function timeLeft(event: ProgressEvent, begin: Begin): string {
  const seconds = secondsLeft(event, begin);
  return seconds === undefined ? '' : `${durationText(seconds)} left`;
}

/** A bar that is drawn in place. Each stage ends with a line that stays. */
export function progressBar(stream: TextStream): ProgressDisplay {
  let bar: SingleBar | undefined;
  let stage = '';
  let begin: Begin;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
    stage = '';
  };
  return {
    update(event) {
      if (event.stage !== stage) {
        stop();
        stage = event.stage;
        begin = beginOf(event);
        // The library asks for a Node stream; all that it uses is what a text stream has.
        const target = Object.assign(
          new Writable({
            write(chunk, _encoding, done) {
              stream.write(String(chunk));
              done();
            },
          }),
          { isTTY: true, columns: stream.columns ?? 80 },
        );
        bar = new SingleBar({
          stream: target,
          format: '{stage} [{bar}] {value}/{total}  {left}  {note}',
          barsize: 24,
          barCompleteChar: '=',
          barIncompleteChar: ' ',
          hideCursor: false,
          clearOnComplete: false,
          gracefulExit: false,
        });
        bar.start(event.total, 0, { stage: capital(stage), left: '', note: '' });
      }
      const left = event.done >= event.total ? durationText(secondsSince(begin)) : timeLeft(event, begin);
      bar?.update(event.done, { left, note: event.note ?? '' });
      if (event.done >= event.total) stop();
    },
    stop,
  };
}

/** Stages that are over sooner than this leave no line. */
const leastSeconds = 2;

/** Lines now and then: when a stage has taken so long, every so often after, and one when it ends. */
function paced(
  stream: TextStream,
  everySeconds: number,
  lineOf: (event: ProgressEvent, begin: Begin) => string,
): ProgressDisplay {
  let stage = '';
  let begin: Begin;
  let last = 0;
  return {
    update(event) {
      if (event.stage !== stage) {
        stage = event.stage;
        begin = beginOf(event);
        last = 0;
      }
      const seconds = secondsSince(begin);
      const ended = event.done >= event.total;
      const isDue = ended ? seconds >= leastSeconds : seconds - last >= everySeconds;
      if (isDue) {
        last = seconds;
        stream.write(`${lineOf(event, begin)}\n`);
      }
      if (ended) stage = '';
    },
    stop() {
      stage = '';
    },
  };
}

/** For logs: one line when a stage begins to take long, every ten seconds after, and one when it ends. */
export const progressLines = (stream: TextStream): ProgressDisplay =>
  paced(stream, 10, (event, begin) => {
    const { stage, done, total, note } = event;
    const ended = done >= total;
    const how = ended ? `done in ${durationText(secondsSince(begin))}` : `${done} of ${total}`;
    const parts = [how, note, timeLeft(event, begin)].filter(Boolean);
    return `${capital(stage)}: ${parts.join(', ')}`;
  });

const tenths = (seconds: number): number => Math.round(seconds * 10) / 10;

/** For programs: every two seconds a stage as one line of JSON, with the seconds since it began and those left, and one when it ends. */
export const progressJson = (stream: TextStream): ProgressDisplay =>
  paced(stream, leastSeconds, (event, begin) => {
    const { stage, done, total, note } = event;
    const left = secondsLeft(event, begin);
    const times = { seconds: tenths(secondsSince(begin)), ...(left !== undefined && { left: tenths(left) }) };
    return JSON.stringify({ stage, done, total, ...(note !== undefined && { note }), ...times });
  });
