import { RivuletError } from '../../errors.js';
import { bytesPerElement } from '../../graph/tensor.js';
import { firstMemberName, looksLikeZip, readZip } from '../zip.js';
import { isDict, isList, SAVE_STATE_DICT, unpickle, type Value } from './pickle.js';
import { fillStorage, StateDictHost } from './rebuild.js';

/** The two files that torch.save writes: a ZIP archive since PyTorch 1.6, a row of pickles before (and on request). */

const PICKLE = 'data.pkl';
/** What stands beside the pickle where the archive is a compiled module. */
const SCRIPT = /^(constants\.pkl|code\/)/;
/** Names with which an archive of torch's may begin, after the archive's own. */
const MEMBERS =
  /^[^/]+\/(data\.pkl|constants\.pkl|version|byteorder|\.format_version|\.storage_alignment|code\/|\.?data\/)/;

/** 0x1950a86a20f9469cfc6c, as a pickle. */
const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_VERSION = 1001;

/**
 * Whether the bytes begin as a file of torch.save's does; any pickle counts, and TorchScript, so that the reader can say
 * what is wrong with it. A safetensors file does not.
 */
export function looksLikePyTorch(bytes: Uint8Array): boolean {
  if (looksLikeZip(bytes)) return MEMBERS.test(firstMemberName(bytes) ?? '');
  return bytes.length >= 2 && bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

/**
 * What was given to torch.save: dicts, lists, numbers and tensors, whose storages have their bytes.
 * @throws RivuletError `UNKNOWN_FORMAT` for whole modules, TorchScript and other pickles; `INVALID_FILE`;
 *   `LIMIT_EXCEEDED`.
 */
export function readArchive(bytes: Uint8Array, file?: string): Value {
  return looksLikeZip(bytes) ? readZipped(bytes, file) : readLegacy(bytes, file);
}

function readZipped(bytes: Uint8Array, file: string | undefined): Value {
  let root = '';
  const members = readZip(bytes, file, (names) => {
    root = rootOf(names, file);
  });
  const order = members.get(`${root}byteorder`);
  const byteOrder = order === undefined ? 'little' : String.fromCharCode(...order.subarray(0, 20));
  if (byteOrder !== 'little') throw wrongByteOrder(byteOrder, file);
  const host = new StateDictHost(file);
  const pickle = members.get(`${root}${PICKLE}`)!;
  const { value, end } = unpickle(pickle, 0, host, file);
  if (end !== pickle.length) throw behind(`${PICKLE} goes on behind its end`, end, pickle.length, file);
  for (const [key, storage] of host.storages) {
    const data = members.get(`${root}data/${key}`);
    if (!data) {
      throw new RivuletError('INVALID_FILE', 'A storage is missing from the archive', {
        file,
        expected: `a member "${`${root}data/${key}`.slice(0, 100)}"`,
      });
    }
    fillStorage(storage, data, file);
  }
  return value;
}

/** The folder in which everything lies. What is no state dict is told by its names, before anything is read. */
function rootOf(names: readonly string[], file: string | undefined): string {
  const pickle = names.find((name) => name.split('/').length === 2 && name.endsWith(`/${PICKLE}`));
  if (pickle === undefined) {
    throw new RivuletError('UNKNOWN_FORMAT', 'A ZIP archive that torch.save did not write', {
      file,
      expected: `a member ${PICKLE} in its only folder`,
      found:
        names
          .slice(0, 4)
          .map((name) => `"${name.slice(0, 60)}"`)
          .join(', ') || 'no members',
    });
  }
  const root = pickle.slice(0, -PICKLE.length);
  if (names.some((name) => name.startsWith(root) && SCRIPT.test(name.slice(root.length)))) {
    throw new RivuletError('UNKNOWN_FORMAT', 'A TorchScript archive, which holds a program', {
      file,
      expected: 'a state dict',
      hint: 'Save the weights alone: torch.save(torch.jit.load("model.pt").state_dict(), "weights.pt")',
    });
  }
  return root;
}

/** Pickles of a magic number, a version, facts of the machine, the value and a list of keys; then the storages. */
function readLegacy(bytes: Uint8Array, file: string | undefined): Value {
  if (!LEGACY_MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new RivuletError('UNKNOWN_FORMAT', 'A Python pickle that torch.save did not write', {
      file,
      hint: SAVE_STATE_DICT,
    });
  }
  const host = new StateDictHost(file);
  let at = LEGACY_MAGIC.length;
  const next = (): Value => {
    const { value, end } = unpickle(bytes, at, host, file);
    at = end;
    return value;
  };
  const version = next();
  if (version !== LEGACY_VERSION) {
    throw new RivuletError('INVALID_FILE', 'Another version of the legacy format', {
      file,
      expected: `${LEGACY_VERSION}`,
      found: String(version).slice(0, 20),
    });
  }
  const system = next();
  const little = isDict(system) ? system.items.get('little_endian') : undefined;
  if (little !== true) throw wrongByteOrder(little === false ? 'big' : 'unknown', file);
  const value = next();
  const keys = next();
  if (!isList(keys) || new Set(keys.items).size < keys.items.length || keys.items.length !== host.storages.size) {
    throw new RivuletError('INVALID_FILE', 'The list of storages is not that of the pickle', {
      file,
      expected: `${host.storages.size} keys`,
      found: isList(keys) ? `${keys.items.length}` : 'no list',
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const key of keys.items) {
    const storage = typeof key === 'string' ? host.storages.get(key) : undefined;
    if (!storage) {
      throw new RivuletError('INVALID_FILE', 'A storage that no tensor needs', {
        file,
        found: String(key).slice(0, 40),
      });
    }
    const size = storage.count * bytesPerElement(storage.type);
    const count = at + 8 <= bytes.length ? Number(view.getBigUint64(at, true)) : -1;
    if (count !== storage.count || at + 8 + size > bytes.length) {
      throw new RivuletError('INVALID_FILE', 'A storage is truncated', {
        file,
        expected: `${storage.count} elements in ${size} bytes`,
        found: count === storage.count ? `${bytes.length - at - 8} bytes` : count < 0 ? 'the end' : `${count} elements`,
      });
    }
    fillStorage(storage, bytes.subarray(at + 8, at + 8 + size), file);
    at += 8 + size;
  }
  if (at !== bytes.length) throw behind('The file goes on behind its last storage', at, bytes.length, file);
  return value;
}

function behind(what: string, end: number, length: number, file: string | undefined): RivuletError {
  return new RivuletError('INVALID_FILE', what, { file, expected: `${end} bytes`, found: `${length}` });
}

function wrongByteOrder(found: string, file: string | undefined): RivuletError {
  return new RivuletError('INVALID_FILE', 'The file has the byte order of another machine', {
    file,
    expected: 'little',
    found,
    hint: 'Load it with torch.load and save it again on a little-endian machine',
  });
}
