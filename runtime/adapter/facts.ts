/** What is known about an adapter: the data behind `suture doctor`, and what kernels are chosen by. */

/**
 * The two kinds of adapter that need different code. On a `gpu`, threads run in lockstep groups beside fast shared memory;
 * a `software` adapter runs each workgroup on a processor core, where barriers are costly and registers are what is fast.
 */
export type AdapterClass = 'gpu' | 'software';

/** Which adapter to use: a real GPU if there is one, else a software one (`auto`); only a real GPU; only the embedded one. */
export const adapterChoices = ['auto', 'gpu', 'embedded'] as const;
export type AdapterChoice = (typeof adapterChoices)[number];

/** What a search may be told. */
export interface AdapterOptions {
  /** Default: the environment variable `SUTURE_ADAPTER`, else `auto`. */
  readonly adapter?: AdapterChoice;
}

/** Sizes and component types of one subgroup-matrix product that an adapter offers. */
export interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** One adapter, in data. */
export interface AdapterFacts {
  readonly adapterClass: AdapterClass;
  /** `system`: a driver of this machine. `embedded`: the software driver that came with suture. */
  readonly origin: 'system' | 'embedded';
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly features: readonly string[];
  /** Every numeric limit under its WebGPU name. */
  readonly limits: Readonly<Record<string, number>>;
  readonly shaderF16: boolean;
  /** Smallest and largest subgroup, where the adapter has subgroups. */
  readonly subgroups: { readonly min: number; readonly max: number } | undefined;
  readonly subgroupMatrices: readonly SubgroupMatrixConfig[];
  /** Where the driver lies, if it is the embedded one. */
  readonly driver: { readonly directory: string; readonly packageVersion: string } | undefined;
  /** Why this adapter was taken and not another, as a sentence. */
  readonly reason: string;
}

/** One place where an adapter was looked for, and what came of it. */
export interface AdapterAttempt {
  readonly origin: 'system' | 'embedded';
  readonly outcome: 'chosen' | 'refused' | 'absent' | 'skipped';
  /** What was found, or why nothing was, as a sentence. */
  readonly detail: string;
  /** What drivers, their loader and Dawn wrote to standard error when they were tried; nobody but `doctor` shows it. */
  readonly complaints?: readonly string[];
}

/** The outcome of a search for an adapter. */
export interface AdapterReport {
  readonly choice: AdapterChoice;
  readonly attempts: readonly AdapterAttempt[];
  /** The adapter that a session would use; `undefined` when there is none. */
  readonly chosen: AdapterFacts | undefined;
  /** What a user can do to get a better adapter, or one at all. Empty when a real GPU is used. */
  readonly advice: readonly string[];
}

/**
 * What is read of WebGPU's `GPUAdapterInfo`. This file is part of the public interface, whose declarations must compile without WebGPU's
 * own: those want the types of a browser.
 */
interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter: boolean;
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
}

/** What is read of WebGPU's `GPUAdapter`. */
interface Adapter {
  readonly info: AdapterInfo;
  readonly features: Iterable<string>;
  readonly limits: object;
}

function property(object: object, name: string): unknown {
  return name in object ? (object as Record<string, unknown>)[name] : undefined;
}

function matrixConfigs(info: AdapterInfo): SubgroupMatrixConfig[] {
  const configs = property(info, 'subgroupMatrixConfigs');
  if (!Array.isArray(configs)) return [];
  return configs.map((config: SubgroupMatrixConfig) => ({
    componentType: config.componentType,
    resultComponentType: config.resultComponentType,
    M: config.M,
    N: config.N,
    K: config.K,
  }));
}

/** Whether an adapter computes on the CPU. Names are checked too: not every driver reports its type. */
export function isSoftwareAdapter(info: AdapterInfo): boolean {
  const names = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|softpipe|microsoft basic render/.test(names);
}

/** Reads an adapter into data. */
export function adapterFacts(
  adapter: Adapter,
  origin: AdapterFacts['origin'],
  driver: AdapterFacts['driver'],
  reason: string,
): AdapterFacts {
  const { info } = adapter;
  const features = [...adapter.features].sort();
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = property(adapter.limits, name);
    if (typeof value === 'number') limits[name] = value;
  }
  return {
    adapterClass: isSoftwareAdapter(info) ? 'software' : 'gpu',
    origin,
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    features,
    limits,
    shaderF16: features.includes('shader-f16'),
    subgroups:
      features.includes('subgroups') && info.subgroupMinSize !== undefined && info.subgroupMaxSize !== undefined
        ? { min: info.subgroupMinSize, max: info.subgroupMaxSize }
        : undefined,
    subgroupMatrices: matrixConfigs(info),
    driver,
    reason,
  };
}

/** An adapter in a few words, for messages: `NVIDIA H100 (nvidia)`. */
export function adapterName(info: Pick<AdapterInfo, 'vendor' | 'device' | 'architecture' | 'description'>): string {
  const name = info.device || info.architecture || info.description || 'unnamed adapter';
  return info.vendor && !name.toLowerCase().includes(info.vendor.toLowerCase()) ? `${name} (${info.vendor})` : name;
}
