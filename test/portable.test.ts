/** What needs no Node: whatever `suture/web` and the rooms below it are made of imports none of its modules, at any depth. */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sutureVersion } from '../src/execution/suture-version.ts';

/** What may come from a package: each of these runs in browsers. */
const packages = new Set(['fflate', 'protobufjs/minimal.js', 'valibot']);

/** Names that only Node has; a `process` that may be absent is looked at through `globalThis`. */
const ofNode = /(?<![.\w])(?:Buffer|process|require|setImmediate|__dirname|__filename)(?:\.|\()/;

/** The modules that a file imports for more than their types. */
function importsOf(text: string): readonly string[] {
  const found: string[] = [];
  for (const [, clause, path] of text.matchAll(/^(?:import|export) ([^;]*?)\bfrom '([^']+)';/gms)) {
    const names = /^\{([^}]*)\}\s*$/
      .exec(clause)?.[1]
      .split(',')
      .filter(name => name.trim() !== '');
    const onlyTypes = clause.startsWith('type ') || names?.every(name => name.trim().startsWith('type '));
    if (!onlyTypes) found.push(path);
  }
  for (const [, path] of text.matchAll(/\bimport\(\s*'([^']+)'|^import '([^']+)';/gm)) found.push(path);
  return found;
}

/** What is wrong in the modules that are reached from one, each with the way to it. */
function faultsFrom(root: string): { readonly faults: readonly string[]; readonly modules: number } {
  const faults: string[] = [];
  const way = new Map([[root, root]]);
  for (const [file, path] of way) {
    const text = readFileSync(file, 'utf8');
    for (const name of importsOf(text)) {
      const target = normalize(join(dirname(file), name));
      if (!name.startsWith('.')) {
        if (!packages.has(name)) faults.push(`${path} → ${name}`);
      } else if (!way.has(target)) way.set(target, `${path} → ${target}`);
    }
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, '');
    const used = ofNode.exec(code.replace(/\bconst \{ process \} = globalThis[\s\S]*?^\}/gm, ''));
    if (used) faults.push(`${path} uses ${used[0]}`);
  }
  return { faults, modules: way.size };
}

describe('without Node', () => {
  it.each(['src/web/index.ts', 'ir/index.ts', 'passes/index.ts', 'runtime/webgpu/browser.ts'])('%s', root => {
    const { faults, modules } = faultsFrom(root);
    expect(faults).toEqual([]);
    expect(modules).toBeGreaterThan(50);
  });

  it('is not what the command line is', () => {
    expect(faultsFrom('src/index.ts').faults).toContainEqual(expect.stringMatching(/→ node:fs/));
  });
});

it('has the version of the package', () => {
  expect(sutureVersion).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
});
