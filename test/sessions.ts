/**
 * ONNX Runtime opens a model once for the tests of a worker: most are about what surrounds the same few small networks, and to open these
 * takes longer than to run them. Sessions keep nothing from one run to the next.
 */
import { createHash } from 'node:crypto';
import type { InferenceSession } from 'onnxruntime-common';
import { onnxRuntime } from '../runtime/ort/onnxruntime.ts';

/** So many sessions that nobody uses are kept, of models of so many bytes at most. */
const [kept, largest] = [200, 2 ** 20];

interface Opened {
  readonly session: Promise<InferenceSession>;
  users: number;
}

type Options = InferenceSession.SessionOptions;

class Sessions {
  readonly #open: (model: Uint8Array, options?: Options) => Promise<InferenceSession>;
  /** By model and options, the last used at the end. */
  readonly #opened = new Map<string, Opened>();

  constructor(open: (model: Uint8Array, options?: Options) => Promise<InferenceSession>) {
    this.#open = open;
  }

  /** A session that is to be released as any other. */
  readonly create = async (model: Uint8Array | string, options?: Options): Promise<InferenceSession> => {
    if (typeof model === 'string' || model.byteLength > largest) return this.#open(model as Uint8Array, options);
    const key = createHash('sha256')
      .update(model)
      .update(JSON.stringify(options ?? {}))
      .digest('hex');
    const opened = this.#opened.get(key) ?? { session: this.#open(model, options), users: 0 };
    this.#use(key, opened);
    opened.users++;
    const session = await opened.session.catch((error: unknown) => {
      this.#opened.delete(key);
      throw error;
    });
    let released = false;
    const release = async (): Promise<void> => {
      if (released) throw new Error('A session is released twice.');
      released = true;
      opened.users--;
      this.#use(key, opened);
      await this.#trim();
    };
    return Object.create(session, { release: { value: release } }) as InferenceSession;
  };

  #use(key: string, opened: Opened): void {
    this.#opened.delete(key);
    this.#opened.set(key, opened);
  }

  async #trim(): Promise<void> {
    const idle = [...this.#opened].filter(([, { users }]) => users === 0);
    for (const [key, { session }] of idle.slice(0, Math.max(0, idle.length - kept))) {
      this.#opened.delete(key);
      await (await session).release();
    }
  }
}

const factory = onnxRuntime().InferenceSession;
const shared = Symbol.for('suture.test.sessions');

// Once for all files of a worker.
if (!(shared in factory)) {
  const { create } = new Sessions(factory.create.bind(factory));
  Object.assign(factory, { [shared]: true, create });
}
