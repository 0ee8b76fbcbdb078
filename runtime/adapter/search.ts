/** The search for an adapter: a real GPU, a software driver of the system, the embedded one, in that order. */
import { SutureError } from '../../ir/errors.ts';
import { createInstance } from './dawn.ts';
import type { FoundAdapter } from './device.ts';
import {
  type AdapterAttempt,
  type AdapterChoice,
  type AdapterFacts,
  type AdapterOptions,
  type AdapterReport,
  adapterChoices,
  adapterFacts,
  adapterName,
  isSoftwareAdapter,
} from './facts.ts';
import { embeddedDriverLoaded, embeddedDriverUnavailable, loadEmbeddedDriver } from './swiftshader.ts';
import { examine, noAdapter, type System, thisSystem, type Verdict, withEnvironment } from './system.ts';

/** The adapter choice of the options, else of the environment. */
export function adapterChoice(options: AdapterOptions, env: NodeJS.ProcessEnv = process.env): AdapterChoice {
  if (options.adapter !== undefined) return options.adapter;
  const named = env.SUTURE_ADAPTER;
  if (named === undefined || named === '') return 'auto';
  const choice = adapterChoices.find(candidate => candidate === named);
  if (choice === undefined) {
    throw new SutureError(
      'option-invalid',
      `SUTURE_ADAPTER is "${named}"; it must be one of ${adapterChoices.join(', ')}.`,
    );
  }
  return choice;
}

interface Search {
  readonly report: AdapterReport;
  readonly found: FoundAdapter | undefined;
}

/** What was found out about the system's drivers, under the settings that decide which of them are used. */
const verdicts = new Map<string, Promise<Verdict>>();

function verdictOn(system: System): Promise<Verdict> {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, VK_ADD_DRIVER_FILES } = process.env;
  const settings = JSON.stringify([VK_DRIVER_FILES, VK_ICD_FILENAMES, VK_ADD_DRIVER_FILES]);
  const verdict = verdicts.get(settings) ?? examine(system);
  verdicts.set(settings, verdict);
  return verdict;
}

/** Looks for an adapter without throwing when there is none, and keeps a record of where it looked. */
export async function searchAdapter(options: AdapterOptions = {}): Promise<Search> {
  const choice = adapterChoice(options);
  const attempts: AdapterAttempt[] = [];
  let found: FoundAdapter | undefined;

  if (choice === 'embedded') {
    attempts.push({ origin: 'system', outcome: 'skipped', detail: 'The embedded adapter was asked for.' });
  } else if (choice === 'auto' && embeddedDriverLoaded()) {
    attempts.push({ origin: 'system', outcome: 'absent', detail: 'An earlier search of this process found none.' });
  } else {
    found = await searchSystem(choice, attempts);
  }

  if (found !== undefined || choice === 'gpu') {
    const detail = found === undefined ? 'A real GPU was asked for.' : 'It is needed only where nothing else is found.';
    attempts.push({ origin: 'embedded', outcome: 'skipped', detail });
  } else {
    found = await searchEmbedded(choice, attempts);
  }

  return {
    report: { choice, attempts, chosen: found?.facts, advice: advise(choice, found?.facts) },
    found,
  };
}

async function searchSystem(choice: AdapterChoice, attempts: AdapterAttempt[]): Promise<FoundAdapter | undefined> {
  const origin = 'system';
  const verdict = thisSystem && (await verdictOn(thisSystem));
  const written = verdict?.complaints.length ? { complaints: verdict.complaints } : {};
  if (verdict?.refusal !== undefined) {
    attempts.push({ origin, outcome: 'absent', detail: verdict.refusal, ...written });
    return undefined;
  }
  const gpu = await createInstance();
  const adapter = await withEnvironment(verdict?.environment ?? {}, () =>
    gpu.requestAdapter({ powerPreference: 'high-performance' }),
  );
  if (adapter === null) {
    attempts.push({ origin, outcome: 'absent', detail: noAdapter(), ...written });
    return undefined;
  }
  const software = isSoftwareAdapter(adapter.info);
  const name = adapterName(adapter.info);
  if (software && choice === 'gpu') {
    const detail = `${name} computes on the CPU, and a real GPU was asked for.`;
    attempts.push({ origin, outcome: 'refused', detail, ...written });
    return undefined;
  }
  const reason = software
    ? `No real GPU; the system's software driver ${name} serves.`
    : `${name} is the GPU that the system offers for high performance.`;
  attempts.push({ origin, outcome: 'chosen', detail: reason, ...written });
  return { gpu, adapter, facts: adapterFacts(adapter, origin, undefined, reason) };
}

async function searchEmbedded(choice: AdapterChoice, attempts: AdapterAttempt[]): Promise<FoundAdapter | undefined> {
  const unavailable = embeddedDriverUnavailable();
  if (unavailable !== undefined) {
    attempts.push({ origin: 'embedded', outcome: 'absent', detail: `${capital(unavailable)}.` });
    return undefined;
  }
  try {
    const driver = await loadEmbeddedDriver();
    const gpu = await createInstance();
    const adapter = await gpu.requestAdapter();
    if (adapter === null) {
      attempts.push({
        origin: 'embedded',
        outcome: 'refused',
        detail: `The driver in ${driver.directory} was loaded, but WebGPU found no adapter in it.`,
      });
      return undefined;
    }
    const name = adapterName(adapter.info);
    const reason =
      choice === 'embedded'
        ? `The embedded software adapter ${name} was asked for.`
        : `No adapter of the system can be used; the embedded software adapter ${name} serves.`;
    attempts.push({ origin: 'embedded', outcome: 'chosen', detail: reason });
    return { gpu, adapter, facts: adapterFacts(adapter, 'embedded', driver, reason) };
  } catch (error) {
    attempts.push({
      origin: 'embedded',
      outcome: 'refused',
      detail: error instanceof Error ? error.message : String(error),
    });
    return undefined;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function advise(choice: AdapterChoice, chosen: AdapterFacts | undefined): string[] {
  if (chosen?.adapterClass === 'gpu') return [];
  const advice: string[] = [];
  if (process.platform === 'linux') {
    advice.push(
      'If this machine has a GPU: install its Vulkan driver and a Vulkan loader (libvulkan1); in a container, pass the ' +
        'GPU through with its graphics libraries (NVIDIA: NVIDIA_DRIVER_CAPABILITIES=all), or name the driver in ' +
        'VK_DRIVER_FILES.',
    );
    advice.push(
      "Without a GPU: Mesa's lavapipe 25 or newer (mesa-vulkan-drivers) is a faster software driver than the embedded one.",
    );
  } else {
    advice.push('Update the graphics driver: WebGPU needs Direct3D 12 on Windows and Metal on macOS.');
  }
  advice.push('The executor ort computes on the CPU and needs no adapter.');
  if (chosen === undefined && choice !== 'auto') {
    advice.push(`Only "${choice}" adapters were looked for (SUTURE_ADAPTER or --adapter); auto looks for every kind.`);
  }
  return advice;
}

/** The record of a search, without keeping the adapter: what `suture doctor` shows. */
export async function inspectAdapters(options: AdapterOptions = {}): Promise<AdapterReport> {
  return (await searchAdapter(options)).report;
}
