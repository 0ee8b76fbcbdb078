import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkOutputFile, makeFolder, writeOutput } from '../../../src/files/output.ts';
import { scratch } from '../cli/support.ts';

describe('makeFolder', () => {
  it('makes those above it too, and says what is in the way', async () => {
    const folder = await scratch();
    for (const path of ['a/b/c', 'a/b', 'a/d']) await makeFolder(join(folder, path));
    expect(await readdir(join(folder, 'a'))).toEqual(['b', 'd']);
    await writeFile(join(folder, 'file'), 'x');
    for (const path of ['file', 'file/below', 'file/far/below'])
      await expect(makeFolder(join(folder, path))).rejects.toMatchObject({ code: 'output-unwritable' });
  });

  it.runIf(process.platform === 'linux')('ends where nothing can be made', async () => {
    await expect(makeFolder('/proc/none/below')).rejects.toThrow(/\/proc\/none\/below cannot be written/);
  });
});

describe('writeOutput', () => {
  it('leaves the file and nothing else', async () => {
    const folder = await scratch();
    await writeOutput(join(folder, 'result.json'), '{}\n');
    expect(await readdir(folder)).toEqual(['result.json']);
    expect(await readFile(join(folder, 'result.json'), 'utf8')).toBe('{}\n');
  });

  it('replaces a file only when told to', async () => {
    const file = join(await scratch(), 'result.json');
    await writeFile(file, 'old');
    await expect(writeOutput(file, 'new')).rejects.toMatchObject({
      code: 'output-exists',
      message: `${file} exists already; choose another name, or say --force to replace it.`,
    });
    expect(await readFile(file, 'utf8')).toBe('old');
    await writeOutput(file, 'new', { force: true });
    expect(await readFile(file, 'utf8')).toBe('new');
  });

  it('counts a dangling link as existing', async () => {
    const folder = await scratch();
    await symlink(join(folder, 'nowhere'), join(folder, 'link'));
    await expect(writeOutput(join(folder, 'link'), 'x')).rejects.toMatchObject({ code: 'output-exists' });
  });

  it('says what is in the way, and leaves nothing behind', async () => {
    const folder = await scratch();
    await writeFile(join(folder, 'file'), 'x');
    await mkdir(join(folder, 'sub'));
    await expect(writeOutput(join(folder, 'missing', 'r.json'), 'x')).rejects.toMatchObject({
      code: 'output-unwritable',
      message: expect.stringContaining('its folder does not exist'),
    });
    await expect(writeOutput(join(folder, 'file', 'r.json'), 'x')).rejects.toMatchObject({
      code: 'output-unwritable',
      message: expect.stringContaining('is a file, not a folder'),
    });
    await expect(writeOutput(join(folder, 'sub'), 'x', { force: true })).rejects.toMatchObject({
      code: 'output-unwritable',
    });
    expect((await readdir(folder)).sort()).toEqual(['file', 'sub']);
  });
});

describe('checkOutputFile', () => {
  it('finds out before the work what would fail after it', async () => {
    const folder = await scratch();
    await checkOutputFile(join(folder, 'new.json'));
    await expect(checkOutputFile(join(folder, 'no', 'new.json'))).rejects.toMatchObject({ code: 'output-unwritable' });
    expect(await readdir(folder)).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('respects permissions', async () => {
    const folder = await scratch();
    await chmod(folder, 0o500);
    await expect(checkOutputFile(join(folder, 'new.json'))).rejects.toMatchObject({
      code: 'output-unwritable',
      message: expect.stringContaining('you may not write there'),
    });
  });
});
