/** A Slurm of one's own on this machine, as root: munge, a controller and a node, all of whose files lie in one folder. */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { vi } from 'vitest';

const run = promisify(execFile);

const isInstalled = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** Why there can be no Slurm here; undefined where there can. */
export function whyNoSlurm(): string | undefined {
  const missing = ['munged', 'slurmctld', 'slurmd', 'sbatch'].find(program => !isInstalled(program));
  if (missing !== undefined) return `${missing} is not installed (apt-get install slurm-wlm munge)`;
  return process.getuid?.() === 0 ? undefined : 'its daemons are started as root';
}

/** A port that nothing listens on. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Starts one in an empty folder, for all that is started from this process. @returns what stops it. */
export async function startSlurm(folder: string): Promise<() => Promise<void>> {
  const at = (name: string): string => join(folder, name);
  await mkdir(at('state'), { recursive: true });
  await mkdir(at('spool'));
  await writeFile(at('key'), randomBytes(128), { mode: 0o400 });
  const [controller, node] = [await freePort(), await freePort()];
  const [host] = hostname().split('.');
  const settings = {
    ...{ ClusterName: 'suture', SlurmctldHost: host, SlurmUser: 'root', SlurmdUser: 'root' },
    ...{ AuthType: 'auth/munge', AuthInfo: `socket=${at('munge.socket')}`, CredType: 'cred/munge' },
    ...{ SlurmctldPort: controller, SlurmdPort: node, StateSaveLocation: at('state'), SlurmdSpoolDir: at('spool') },
    ...{ SlurmctldPidFile: at('slurmctld.pid'), SlurmdPidFile: at('slurmd.pid') },
    ...{ SlurmctldLogFile: at('slurmctld.log'), SlurmdLogFile: at('slurmd.log') },
    ...{ ProctrackType: 'proctrack/linuxproc', TaskPlugin: 'task/none', MpiDefault: 'none' },
    ...{ SelectType: 'select/cons_tres', SelectTypeParameters: 'CR_CPU', SchedulerType: 'sched/builtin' },
    ...{ SchedulerParameters: 'sched_interval=1,batch_sched_delay=1', ReturnToService: 2, KillWait: 5, JobRequeue: 1 },
    SlurmdParameters: 'config_overrides',
    // As much memory as jobs may ask for, whatever this machine has.
    ...{ NodeName: `${host} CPUs=2 RealMemory=64000 State=UNKNOWN` },
    PartitionName: 'all Nodes=ALL Default=YES MaxTime=INFINITE State=UP',
  };
  const text = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(at('slurm.conf'), text.join(''));
  vi.stubEnv('SLURM_CONF', at('slurm.conf'));
  const files = { 'key-file': 'key', socket: 'munge.socket', 'pid-file': 'munged.pid', 'seed-file': 'seed' };
  const named = Object.entries(files).map(([option, file]) => `--${option}=${at(file)}`);
  await run('munged', ['--force', ...named, `--log-file=${at('munged.log')}`]);
  await run('slurmctld', ['-f', at('slurm.conf')]);
  await run('slurmd', ['-f', at('slurm.conf')]);
  for (let tries = 0; ; tries++) {
    const { stdout } = await run('sinfo', ['--noheader', '--format=%T']).catch(() => ({ stdout: '' }));
    if (stdout.trim() === 'idle') break;
    if (tries > 40) throw new Error(`the node is ${stdout}: ${await readFile(at('slurmctld.log'), 'utf8')}`);
    await sleep(250);
  }
  return async () => {
    const files = ['slurmd', 'slurmctld', 'munged'].map(daemon => readFile(at(`${daemon}.pid`), 'utf8'));
    const pids = (await Promise.all(files)).map(Number);
    for (const pid of pids) process.kill(pid);
    const isThere = (pid: number): boolean => spawnSync('kill', ['-0', String(pid)]).status === 0;
    for (let tries = 0; tries < 80 && pids.some(isThere); tries++) await sleep(50);
  };
}
