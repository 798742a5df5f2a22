import { RivuletError } from '../../errors.js';
import type { DataType } from '../../graph/graph.js';
import { bytesPerElement } from '../../graph/tensor.js';
import {
  describeValue,
  isDict,
  isGlobal,
  isTuple,
  type PickleHost,
  type PyGlobal,
  type PyOpaque,
  SAVE_STATE_DICT,
  type Value,
} from './pickle.js';

/** The functions and classes that a state dict names, and what they make. The list is all there is. */

/** Numbers in a row, of one type; tensors are windows on them. `bytes` is found after the pickle has been read. */
export interface Storage extends PyOpaque {
  kind: 'storage';
  type: DataType;
  key: string;
  /** Elements. */
  count: number;
  bytes?: Uint8Array;
}

/** A window: element [i, j, ...] is number `offset` + i * `strides[0]` + j * `strides[1]` + ... of the storage. */
export interface StoredView extends PyOpaque {
  kind: 'tensor';
  storage: Storage;
  offset: number;
  shape: number[];
  strides: number[];
}

export const isView = (value: Value | undefined): value is StoredView => kindOf(value) === 'tensor';
const isStorage = (value: Value | undefined): value is Storage => kindOf(value) === 'storage';
const kindOf = (value: Value | undefined) => (typeof value === 'object' && value !== null ? value.kind : undefined);

const ORDERED_DICT = 'collections.OrderedDict';
const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const FUNCTIONS: readonly string[] = [ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER];

const STORAGES: Readonly<Record<string, DataType>> = {
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  DoubleStorage: 'float64',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  ShortStorage: 'int16',
  IntStorage: 'int32',
  LongStorage: 'int64',
  BoolStorage: 'bool',
};

/** Knows what the pickles of state dicts name, and collects their storages by key. */
export class StateDictHost implements PickleHost {
  readonly storages = new Map<string, Storage>();

  constructor(private readonly file: string | undefined) {}

  global(module: string, name: string): PyGlobal {
    const full = `${module}.${name}`;
    if (FUNCTIONS.includes(full) || storageType(full) !== undefined) return { kind: 'global', name: full };
    const details = { file: this.file, found: full.slice(0, 200) };
    if (/^torch(\.cuda)?\.\w+Storage$/.test(full)) {
      const expected = Object.values(STORAGES).join(', ');
      throw new RivuletError('INVALID_FILE', 'A type of element that is not read', { ...details, expected });
    }
    if (module === 'torch._utils' && name.startsWith('_rebuild_')) {
      throw new RivuletError('INVALID_FILE', 'A kind of tensor that is not read', {
        ...details,
        expected: 'plain dense tensors',
        hint: 'Dequantise sparse or quantised tensors, or convert their type, before saving',
      });
    }
    throw new RivuletError('UNKNOWN_FORMAT', 'The pickle names Python code, which is never run', {
      ...details,
      expected: 'a state dict: tensors by name',
      hint: SAVE_STATE_DICT,
    });
  }

  call({ name }: PyGlobal, args: Value[]): Value {
    if (name === ORDERED_DICT && args.length === 0) return { kind: 'dict', items: new Map() };
    if (name === REBUILD_PARAMETER && args.length === 3 && isView(args[0])) return args[0];
    if (name === REBUILD_TENSOR) return this.rebuildTensor(args);
    throw this.error('A call with arguments that mean nothing', undefined, `${name} with ${args.length} arguments`);
  }

  /** ('storage', type, key, device, elements), and in the legacy format a sixth item that is None. */
  persistent(id: Value): Storage {
    const [tag, type, key, , count, window] = isTuple(id) ? id.items : [];
    const known = isGlobal(type) ? storageType(type.name) : undefined;
    const whole = window === undefined || window === null;
    if (tag !== 'storage' || known === undefined || typeof key !== 'string' || !isCount(count) || !whole) {
      throw this.error(
        'A persistent id that is no storage',
        '("storage", type, key, device, count)',
        describeValue(id),
      );
    }
    const before = this.storages.get(key);
    if (before) {
      if (before.type === known && before.count === count) return before;
      throw this.error(
        'A storage is given twice',
        `${before.count} ${before.type}`,
        `${count} ${known} for "${key.slice(0, 40)}"`,
      );
    }
    const storage: Storage = { kind: 'storage', type: known, key, count };
    this.storages.set(key, storage);
    return storage;
  }

  /** (storage, offset, size, stride, requires_grad, backward_hooks), and perhaps a dict of flags. */
  private rebuildTensor(args: Value[]): StoredView {
    const [storage, offset, size, stride, , hooks, flags] = args;
    const shape = counts(size);
    const strides = counts(stride);
    const plain = [hooks, flags].every((dict) => dict === undefined || dict === null || isEmpty(dict));
    if (!isStorage(storage) || !isCount(offset) || !shape || !strides || shape.length !== strides.length) {
      throw this.error('A tensor that is malformed', '(storage, offset, size, stride)', describeValue(size));
    }
    if (!plain || args.length < 6 || args.length > 7) {
      throw this.error('A tensor with more than numbers', 'no hooks and no flags', `${args.length} arguments`);
    }
    return { kind: 'tensor', storage, offset, shape, strides };
  }

  private error(what: string, expected?: string, found?: string): RivuletError {
    return new RivuletError('INVALID_FILE', what, { file: this.file, expected, found });
  }
}

/**
 * The bytes of a storage's elements, of which there must be exactly as many as the pickle said.
 * @throws RivuletError `INVALID_FILE`
 */
export function fillStorage(storage: Storage, bytes: Uint8Array, file?: string): void {
  const expected = storage.count * bytesPerElement(storage.type);
  if (bytes.length !== expected) {
    throw new RivuletError('INVALID_FILE', `Storage "${storage.key.slice(0, 40)}" has another length`, {
      file,
      expected: `${expected} bytes for ${storage.count} ${storage.type}`,
      found: `${bytes.length}`,
    });
  }
  storage.bytes = bytes;
}

/** Storages of tensors on a GPU were once named after it; their numbers are the same. */
function storageType(name: string): DataType | undefined {
  const short = /^torch(?:\.cuda)?\.(\w+)$/.exec(name)?.[1] ?? '';
  return Object.hasOwn(STORAGES, short) ? STORAGES[short] : undefined;
}

const isEmpty = (value: Value): boolean => isDict(value) && value.items.size === 0;

const isCount = (value: Value | undefined): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function counts(value: Value | undefined): number[] | undefined {
  return isTuple(value) && value.items.every(isCount) ? value.items : undefined;
}
