/** The device that kernels run on: a WebGPU device with its facts, whose failures arrive as `SutureError`s. */
import { SutureError } from '../../ir/errors.ts';
import { type AdapterClass, type AdapterFacts, adapterName } from './facts.ts';

/** An adapter that was found, with the WebGPU instance it belongs to, which must stay referenced while it is used. */
export interface FoundAdapter {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly facts: AdapterFacts;
}

/**
 * A WebGPU device. Limits and features are all that the adapter offers.
 *
 * WebGPU reports errors after the call that caused them. The first one is kept: `assertHealthy` throws it, and `attempt`
 * throws those of the commands issued inside it.
 */
export class Device {
  readonly gpu: GPUDevice;
  readonly facts: AdapterFacts;
  /** Resolves with the error when the device is lost against our will; stays pending after `destroy`. */
  readonly lost: Promise<SutureError>;
  // Dawn's instance must not be collected while its device lives.
  readonly #owner: FoundAdapter;
  #failure: SutureError | undefined;
  #destroyed = false;

  constructor(gpu: GPUDevice, owner: FoundAdapter) {
    this.gpu = gpu;
    this.facts = owner.facts;
    this.#owner = owner;
    gpu.addEventListener('uncapturederror', event => {
      this.#failure ??= gpuError(event.error, 'a command');
    });
    this.lost = new Promise(resolve => {
      gpu.lost.then(
        info => {
          if (this.#destroyed) return;
          const error = new SutureError(
            'device-lost',
            `The GPU device ${adapterName(this.facts)} was lost (${info.message.trim() || info.reason}).`,
            { details: ['Start again; if it was short of memory, with a smaller batch or --executor ort.'] },
          );
          this.#failure = error;
          resolve(error);
        },
        () => undefined,
      );
    });
  }

  get adapterClass(): AdapterClass {
    return this.#owner.facts.adapterClass;
  }

  get queue(): GPUQueue {
    return this.gpu.queue;
  }

  /** Throws the first failure that the device has reported, if any. */
  assertHealthy(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Issues commands and waits for WebGPU's verdict on them.
   *
   * @param what what the commands do, for the message: `allocating the activations`.
   * @throws SutureError `device-memory`, `device-error` or `device-lost`.
   */
  async attempt<T>(what: string, commands: () => T | Promise<T>): Promise<T> {
    this.assertHealthy();
    const filters = ['validation', 'internal', 'out-of-memory'] as const;
    for (const filter of filters) this.gpu.pushErrorScope(filter);
    let outcome: { readonly value: T } | { readonly thrown: unknown };
    try {
      outcome = { value: await commands() };
    } catch (thrown) {
      outcome = { thrown };
    }
    const errors = await Promise.all(filters.map(() => this.gpu.popErrorScope().catch(() => null)));
    this.assertHealthy();
    const error = errors.find(candidate => candidate !== null);
    if (error !== undefined && error !== null) throw gpuError(error, what);
    if ('thrown' in outcome) throw outcome.thrown;
    return outcome.value;
  }

  /**
   * What to throw where WebGPU broke off what it was asked: the loss of the device, where it is reported in a moment, or the failure
   * that was; else what it said itself.
   */
  async explain(cause: unknown, what: string): Promise<SutureError> {
    if (cause instanceof SutureError) return cause;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const later = new Promise<void>(resolve => {
      timer = setTimeout(resolve, 200);
    });
    await Promise.race([this.lost, later]);
    clearTimeout(timer);
    if (this.#failure !== undefined) return this.#failure;
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    return new SutureError('device-error', `The GPU broke off ${what}: ${reason}`, { cause });
  }

  /** Gives the device and all its memory back. Afterwards the process can exit. */
  destroy(): void {
    this.#destroyed = true;
    this.gpu.destroy();
  }
}

function gpuError(error: GPUError, what: string): SutureError {
  // Dawn's messages span several lines; the first says what is wrong, the rest where in its own calls.
  const lines = error.message.split('\n').filter(line => line.trim() !== '');
  const first = lines[0] ?? 'no reason given';
  const kind = error.constructor.name;
  if (kind === 'GPUOutOfMemoryError') {
    return new SutureError(
      'device-memory',
      `The GPU ran out of memory at ${what} (${first}); use a smaller batch or a smaller model.`,
    );
  }
  return new SutureError('device-error', `The GPU refused ${what}: ${first}`, { details: lines.slice(1) });
}

/** The optional features that kernels can make use of. */
const wantedFeatures = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
];

/** Limits that an adapter reports for itself and that a device must not be asked to raise. */
const loweredLimits = new Set(['minUniformBufferOffsetAlignment', 'minStorageBufferOffsetAlignment']);

/**
 * Opens a device on an adapter, with every limit raised to what it offers.
 *
 * @throws SutureError `device-error` where the adapter gives none.
 */
export async function openDevice(found: FoundAdapter): Promise<Device> {
  const { facts, adapter } = found;
  const limits = Object.fromEntries(Object.entries(facts.limits).filter(([name]) => !loweredLimits.has(name)));
  const features = wantedFeatures.filter(feature => facts.features.includes(feature)) as GPUFeatureName[];
  try {
    return new Device(await adapter.requestDevice({ requiredFeatures: features, requiredLimits: limits }), found);
  } catch (cause) {
    throw new SutureError(
      'device-error',
      `The adapter ${adapterName(facts)} gave no device: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
