import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { RivuletError } from '../../../src/errors.js';
import { type Hdf5Group, readHdf5 } from '../../../src/formats/hdf5/hdf5.js';
import { toFloat32, toIntegers } from '../../../src/graph/tensor.js';

const fileAt = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../fixtures/hdf5/${name}.h5`, import.meta.url))));

const inner = (root: Hdf5Group): Hdf5Group => root.groups.get('outer')!.groups.get('inner')!;

const table = Array.from({ length: 35 * 23 }, (_, i) => i);

describe('an HDF5 file that h5py wrote', () => {
  it.each(['earliest', 'v108', 'latest'])('%s: attributes', (name) => {
    const { attributes } = readHdf5(fileAt(name));
    expect(attributes.get('long')!.text()).toBe('any length: ∂');
    expect(attributes.get('lists')!.texts()).toEqual(['a', '', 'ccc']);
    expect(attributes.get('fixed')!.texts()).toEqual(['ab', 'cde']);
    expect(attributes.get('bytes')!.text()).toBe('{"json": true}');
    expect(attributes.get('empty')!.texts()).toEqual([]);
    expect(attributes.get('number')!.texts()).toBeUndefined();
    expect(attributes.get('lists')!.text()).toBeUndefined();
    // Asked a second time it says the same.
    expect(attributes.get('lists')!.texts()).toEqual(['a', '', 'ccc']);
  });

  it.each(['earliest', 'v108', 'latest'])('%s: datasets', async (name) => {
    const { datasets } = inner(readHdf5(fileAt(name)));
    const tensor = (key: string) => datasets.get(key)!.read();
    expect(await tensor('floats')).toMatchObject({ name: 'outer/inner/floats', type: 'float32', shape: [2, 3] });
    expect([...toFloat32(await tensor('floats'))]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...toFloat32(await tensor('big'))]).toEqual([1.5, -2]);
    expect(await tensor('half')).toMatchObject({ type: 'float16', shape: [] });
    expect(toIntegers(await tensor('integers'))).toEqual([1, -2, 3]);
    await expect(tensor('words')).rejects.toMatchObject({ code: 'INVALID_FILE', found: 'uint32' });
  });

  it.each(['earliest', 'v108'])('%s: chunks', async (name) => {
    const { datasets } = inner(readHdf5(fileAt(name)));
    for (const key of ['gzip', 'plain']) expect([...toFloat32(await datasets.get(key)!.read())]).toEqual(table);
  });

  it('holds as many objects as there are', async () => {
    const { datasets } = readHdf5(fileAt('many'));
    expect(datasets.size).toBe(60);
    expect([...toFloat32(await datasets.get('59')!.read())]).toEqual([59]);
  });

  it('is read where it lies inside a larger buffer', async () => {
    const file = fileAt('earliest');
    const larger = new Uint8Array(file.length + 20);
    larger.set(file, 3);
    const { datasets } = inner(readHdf5(larger.subarray(3, 3 + file.length)));
    expect([...toFloat32(await datasets.get('floats')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('what is refused of HDF5', () => {
  it.each([
    ['dense', /dense form/],
    ['lzf', /went through a filter/],
    ['links', /names another object/],
    ['hard', /two names/],
    ['cycle', /two names/],
  ])('%s', (name, message) => {
    expect(() => readHdf5(fileAt(name), 'a.h5')).toThrow(message);
    expect(() => readHdf5(fileAt(name), 'a.h5')).toThrow(/^a\.h5: /);
  });

  it('a file that ends early, at every length', async () => {
    const file = fileAt('latest');
    for (let length = 0; length < file.length; length += 7) {
      await expect(readAll(file.slice(0, length)), `${length} bytes`).rejects.toBeInstanceOf(RivuletError);
    }
  });

  it.each([
    ['a level that does not go down', 5, 1, /another kind/],
    ['a tree of chunks in place of links', 4, 1, /another kind/],
    ['more entries than there is room for', 7, 0xff, /leads out of the file|name/],
  ])('a tree with %s', (_, offset, byte, message) => {
    const file = fileAt('hard');
    const tree = file.findIndex((__, at) => String.fromCharCode(...file.subarray(at, at + 4)) === 'TREE');
    file[tree + offset] = byte;
    // Its first child is itself.
    if (offset === 5) new DataView(file.buffer).setBigUint64(tree + 32, BigInt(tree), true);
    expect(() => readHdf5(file)).toThrow(message);
  });

  it('chunks that claim more than a file can hold', async () => {
    const file = fileAt('earliest');
    const view = new DataView(file.buffer);
    // Every 64-bit 35 is a length of the table; larger ones ask for memory that nothing backs.
    for (let at = 0; at + 8 <= file.length; at += 8) {
      if (view.getBigUint64(at, true) === 35n) view.setBigUint64(at, 2n ** 40n, true);
    }
    await expect(readAll(file)).rejects.toBeInstanceOf(RivuletError);
  });
});

/** Reads every dataset and attribute. */
async function readAll(bytes: Uint8Array): Promise<void> {
  const visit = async ({ attributes, groups, datasets }: Hdf5Group): Promise<void> => {
    for (const attribute of attributes.values()) attribute.texts();
    for (const dataset of datasets.values()) await dataset.read();
    for (const group of groups.values()) await visit(group);
  };
  await visit(readHdf5(bytes));
}
