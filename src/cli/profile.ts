/** `--profile`: a table of the kernels of each graph that ran. */
import { type GraphProfile, kernelTimes } from '../execution/profiling.ts';
import { fixed, name, type Terminal } from './terminal.ts';

/** Rows of a table; what is left is one row. */
const shown = 20;

export function showProfiles(profiles: readonly GraphProfile[], terminal: Terminal): void {
  for (const { graph, profile } of profiles) {
    terminal.line();
    if (!profile) {
      terminal.line(`${name(graph)}: ONNX Runtime does not say where its time goes; add --executor webgpu.`);
      continue;
    }
    const times = kernelTimes(profile);
    const sum = times.reduce((total, { milliseconds }) => total + milliseconds, 0);
    terminal.heading(`${name(graph)}: ${profile.kernels.length} kernels, ${fixed(sum, 1)} ms`);
    const row = (kernel: string, count: number, milliseconds: number) =>
      [kernel, count, fixed(milliseconds, 2), `${fixed((100 * milliseconds) / sum, 1)} %`] as const;
    const rest = times.slice(shown);
    const total = (of: 'count' | 'milliseconds') => rest.reduce((all, time) => all + time[of], 0);
    terminal.table(
      ['kernel', 'times', 'ms', 'share'],
      [
        ...times.slice(0, shown).map(time => row(name(time.kernel, 80), time.count, time.milliseconds)),
        ...(rest.length > 0 ? [row('all others', total('count'), total('milliseconds'))] : []),
      ],
    );
  }
}
