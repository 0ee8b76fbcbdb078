/**
 * ONNX Runtime opens a model once for the tests of a worker: most are about what surrounds the same few small networks, and to open these
 * takes longer than to run them. Sessions keep nothing from one run to the next.
 */
import { createHash } from 'node:crypto';
import type { InferenceSession } from 'onnxruntime-common';
import { onnxRuntime } from '../runtime/ort/onnxruntime.ts';

/** So many models are kept, of so many bytes each at most. */
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

  /** A session that is to be released as any other, and need not be. */
  readonly create = async (model: Uint8Array | string, options?: Options): Promise<InferenceSession> => {
    if (typeof model === 'string' || model.byteLength > largest) return this.#open(model as Uint8Array, options);
    const key = createHash('sha256')
      .update(model)
      .update(JSON.stringify(options ?? {}))
      .digest('hex');
    const opened = this.#opened.get(key) ?? { session: this.#open(model, options), users: 0 };
    opened.users++;
    await this.#use(key, opened);
    const session = await opened.session.catch((error: unknown) => {
      this.#opened.delete(key);
      throw error;
    });
    let released = false;
    const release = async (): Promise<void> => {
      if (released) throw new Error('A session is released twice.');
      released = true;
      opened.users--;
      if (opened.users === 0 && this.#opened.get(key) !== opened) await session.release();
    };
    return Object.create(session, { release: { value: release } }) as InferenceSession;
  };

  /** Makes it the last used, and lets go of the first where there are too many: its last user releases it. */
  async #use(key: string, opened: Opened): Promise<void> {
    this.#opened.delete(key);
    this.#opened.set(key, opened);
    for (const [oldest, { users, session }] of this.#opened) {
      if (this.#opened.size <= kept) return;
      this.#opened.delete(oldest);
      if (users === 0) await (await session).release();
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
