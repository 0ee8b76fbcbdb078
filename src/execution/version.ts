/** Versions of suture and of what its numbers depend on. */
import type { Executor } from '../../runtime/executor.ts';
import { nativeVersion } from '../../runtime/package.ts';
import { sutureVersion } from './suture-version.ts';

export interface Versions {
  readonly suture: string;
  readonly node: string;
  readonly platform: string;
  readonly webgpu: string | undefined;
  readonly onnxruntime: string | undefined;
}

export const versions = (): Versions => ({
  suture: sutureVersion,
  node: process.versions.node,
  platform: `${process.platform}-${process.arch}`,
  webgpu: nativeVersion('webgpu'),
  onnxruntime: nativeVersion('onnxruntime-node'),
});

/** What configurations say of what computed. */
export const computedBy = (executor: Executor) => ({
  executor: { name: executor.name, description: executor.describe() },
  versions: { ...versions() },
});
