/** What computes here, and why. */
import type { AdapterOptions, AdapterReport } from '../../runtime/adapter/facts.ts';
import { inspectAdapters } from '../../runtime/adapter/index.ts';
import { automaticExecutor } from '../execution/executors.ts';
import { type Versions, versions } from '../execution/version.ts';

export interface Diagnosis {
  readonly versions: Versions;
  readonly adapters: AdapterReport;
  /** What `--executor auto` would compute with. */
  readonly auto: { readonly executor: 'webgpu' | 'ort'; readonly reason: string };
}

/** The data behind `suture doctor`. Does not throw when there is no adapter. */
export async function doctor(options: AdapterOptions = {}): Promise<Diagnosis> {
  const adapters = await inspectAdapters(options);
  return { versions: versions(), adapters, auto: automaticExecutor(adapters) };
}
