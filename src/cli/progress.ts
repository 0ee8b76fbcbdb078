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

/** The time that is left, from the mean pace since the stage began. */
export function timeLeft(event: ProgressEvent, secondsSoFar: number): string {
  if (event.done === 0 || event.done >= event.total) return '';
  return `${durationText((secondsSoFar / event.done) * (event.total - event.done))} left`;
}

/** A bar that is drawn in place. Each stage ends with a line that stays. */
export function progressBar(stream: TextStream): ProgressDisplay {
  let bar: SingleBar | undefined;
  let stage = '';
  let since = 0;
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
        since = performance.now();
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
      const seconds = (performance.now() - since) / 1000;
      const left = event.done >= event.total ? durationText(seconds) : timeLeft(event, seconds);
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
  lineOf: (event: ProgressEvent, seconds: number) => string,
): ProgressDisplay {
  let stage = '';
  let since = 0;
  let last = 0;
  return {
    update(event) {
      const now = performance.now() / 1000;
      if (event.stage !== stage) {
        stage = event.stage;
        since = now;
        last = now;
      }
      const seconds = now - since;
      const ended = event.done >= event.total;
      const isDue = ended ? seconds >= leastSeconds : now - last >= everySeconds;
      if (isDue) {
        last = now;
        stream.write(`${lineOf(event, seconds)}\n`);
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
  paced(stream, 10, (event, seconds) => {
    const { stage, done, total } = event;
    const note = event.note === undefined ? '' : `, ${event.note}`;
    if (done >= total) return `${capital(stage)}: done in ${durationText(seconds)}${note}`;
    return `${capital(stage)}: ${done} of ${total}${note}, ${timeLeft(event, seconds)}`;
  });

/** For programs: every two seconds a stage as one line of JSON, with the seconds since it began, and one when it ends. */
export const progressJson = (stream: TextStream): ProgressDisplay =>
  paced(stream, leastSeconds, ({ stage, done, total, note }, seconds) =>
    JSON.stringify({ stage, done, total, ...(note !== undefined && { note }), seconds: Math.round(seconds * 10) / 10 }),
  );
