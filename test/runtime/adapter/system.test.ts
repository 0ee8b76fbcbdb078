import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedDriverUnavailable, unpackEmbeddedDriver } from '../../../runtime/adapter/swiftshader.ts';
import {
  driversOnly,
  examine,
  type Probe,
  type System,
  thisSystem,
  withEnvironment,
} from '../../../runtime/adapter/system.ts';

/** A machine whose drivers are given by manifest; asked without one, all are there at once, and all complaints. */
function machine(drivers: Readonly<Record<string, Probe>>, all?: Probe): System & { readonly asked: string[] } {
  const asked: string[] = [];
  const probes = Object.values(drivers);
  const together = {
    found: probes.some(({ found }) => found),
    complaints: probes.flatMap(({ complaints }) => complaints),
  };
  return {
    asked,
    hasLoader: () => true,
    manifests: () => Object.keys(drivers),
    probe: async ({ VK_DRIVER_FILES: manifest }) => {
      asked.push(manifest ?? 'all');
      return manifest === undefined ? (all ?? together) : drivers[manifest];
    },
  };
}

const serves: Probe = { found: true, complaints: [] };
const nothing: Probe = { found: false, complaints: [] };
const complains: Probe = { found: false, complaints: ['Warning: shaderUniformArrayDynamicIndexing required.'] };

describe('whether the system is asked for an adapter', () => {
  it('is not without a Vulkan loader, and nothing is tried then', async () => {
    const system = machine({ gpu: serves });
    expect(await examine({ ...system, hasLoader: () => false })).toMatchObject({
      refusal: expect.stringContaining('no Vulkan loader'),
      complaints: [],
    });
    expect(system.asked).toEqual([]);
  });

  it('is not where WebGPU refuses the drivers; what they wrote is kept', async () => {
    expect(await examine(machine({ mesa: complains }))).toMatchObject({
      refusal: expect.stringContaining('no adapter'),
      complaints: complains.complaints,
    });
  });

  it('is not where trying them crashes or hangs', async () => {
    const crash = { found: false, failure: 'ended by SIGSEGV', complaints: ['free(): invalid pointer'] };
    expect(await examine(machine({}, crash))).toMatchObject({
      refusal: "The system's Vulkan drivers failed when they were tried: ended by SIGSEGV.",
      complaints: crash.complaints,
    });
  });

  it('is as it is where its drivers say nothing', async () => {
    const system = machine({ gpu: serves, other: nothing });
    expect(await examine(system)).toEqual({ environment: {}, complaints: [] });
    expect(system.asked).toEqual(['all']);
  });

  it('is without the drivers that complain or bring nothing where others serve', async () => {
    const { refusal, environment, complaints } = await examine(
      machine({ mesa: complains, gpu: serves, absent: nothing, second: serves }),
    );
    expect(refusal).toBeUndefined();
    expect(environment).toEqual(driversOnly('gpu:second'));
    expect(complaints).toEqual(complains.complaints);
  });

  it('is with the complaint where the only driver that serves has one', async () => {
    const verdict = await examine(machine({ gpu: { found: true, complaints: ['not conformant'] } }));
    expect(verdict).toEqual({ environment: {}, complaints: ['not conformant'] });
  });
});

describe('an environment for a while', () => {
  it('is put back, whatever happens', async () => {
    process.env.VK_DRIVER_FILES = 'before';
    delete process.env.VK_ICD_FILENAMES;
    const within = withEnvironment(driversOnly('a'), async () => {
      expect(process.env).toMatchObject(driversOnly('a'));
      throw new Error('stop');
    });
    await expect(within).rejects.toThrow('stop');
    expect(process.env.VK_DRIVER_FILES).toBe('before');
    expect('VK_ICD_FILENAMES' in process.env).toBe(false);
    delete process.env.VK_DRIVER_FILES;
  });
});

/** The loader and the driver that suture carries stand for a system's, so that this does not depend on what is installed. */
describe.skipIf(embeddedDriverUnavailable() !== undefined)('a probe of real drivers', () => {
  let folder: string;
  let icd: string;
  let libraries: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'suture-test-'));
    ({ icd, directory: libraries } = await unpackEmbeddedDriver(join(folder, 'cache')));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const probe = (environment: Readonly<Record<string, string>>) =>
    thisSystem!.probe({ LD_LIBRARY_PATH: libraries, ...environment });

  it('finds an adapter where the driver serves', async () => {
    expect(await probe(driversOnly(icd))).toEqual({ found: true, complaints: [] });
  });

  it('keeps what is written where there is none', async () => {
    const { found, failure, complaints } = await probe(driversOnly('/dev/null'));
    expect({ found, failure }).toEqual({ found: false, failure: undefined });
    expect(complaints.join('\n')).toContain('VK_ERROR_INCOMPATIBLE_DRIVER');
  });

  it('keeps what is written where there is one, and not without end', async () => {
    const { found, complaints } = await probe({ ...driversOnly(icd), VK_LOADER_DEBUG: 'all' });
    expect(found).toBe(true);
    expect(complaints).toHaveLength(50);
  });

  it('says how a process ended that could not answer', async () => {
    const { failure } = await probe({ NODE_OPTIONS: `--require=${join(folder, 'none.cjs')}` });
    expect(failure).toBe('ended with 1');
    const killer = join(folder, 'killer.cjs');
    await writeFile(killer, "process.kill(process.pid, 'SIGSEGV');");
    expect((await probe({ NODE_OPTIONS: `--require=${killer}` })).failure).toBe('ended by SIGSEGV');
  });
});
