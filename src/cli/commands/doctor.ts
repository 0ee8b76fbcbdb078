import { Command } from 'commander';
import { adapterChoices, adapterName } from '../../../runtime/adapter/facts.ts';
import { type Diagnosis, doctor } from '../../api/doctor.ts';
import { choice } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import { json } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { grouped, type Terminal } from '../terminal.ts';

const options = {
  adapter: optional(choice(adapterChoices), 'kind', 'look for one kind of adapter only'),
  json,
};

export const doctorCommand = ({ terminal }: Context): Command =>
  addOptions(
    new Command('doctor').description('say which adapter computes here, with which limits, and why'),
    options,
  ).action(async (flags: ValuesOf<typeof options>) => {
    const diagnosis = await doctor(flags);
    terminal.result(diagnosis, () => show(diagnosis, terminal));
  });

/** The limits that decide what fits and how kernels are cut. */
const shownLimits = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
];

function show({ versions, adapters, auto }: Diagnosis, terminal: Terminal): void {
  const { chosen } = adapters;
  terminal.heading(chosen ? `${adapterName(chosen)}: ${chosen.reason}` : 'There is no adapter that WebGPU can use.');
  for (const { origin, outcome, detail, complaints = [] } of adapters.attempts) {
    terminal.line(`  ${origin}, ${outcome}${detail === chosen?.reason ? '' : `: ${detail}`}`);
    for (const complaint of complaints) terminal.line(`    it wrote: ${complaint.trim()}`);
  }
  terminal.line(`  --executor auto computes with ${auto.executor}: ${auto.reason}`);
  terminal.line();
  if (chosen) {
    const { subgroups } = chosen;
    terminal.table(
      ['adapter', ''],
      [
        ['class', chosen.adapterClass],
        ['16-bit floats', chosen.shaderF16 ? 'yes' : 'no'],
        ['subgroups', subgroups ? `${subgroups.min} to ${subgroups.max}` : 'no'],
        ['subgroup matrices', chosen.subgroupMatrices.length > 0 ? chosen.subgroupMatrices.length : 'no'],
        ...shownLimits
          .filter(limit => chosen.limits[limit] !== undefined)
          .map(limit => [limit, grouped(chosen.limits[limit])]),
      ],
    );
    terminal.line();
  }
  terminal.table(
    ['version', ''],
    Object.entries(versions).map(([what, version]) => [what, version ?? 'not installed']),
  );
  for (const advice of adapters.advice) terminal.line(`\n${advice}`);
}
