/**
 * What an HDF5 file may have at most, counted over the whole file: parts that are named many times are read many times.
 * Far above what trainers write, low enough that a hostile file costs little.
 */
export const HDF5_LIMITS = {
  /** Groups and datasets. */
  objects: 65_536,
  /** Messages in the headers of objects, attributes among them. */
  messages: 1_048_576,
  /** Nodes of the trees that list groups' links and datasets' chunks, and chunks. */
  treeNodes: 1_048_576,
  /** Entries of the heaps in which strings lie. */
  heapEntries: 1_048_576,
  /** Bytes of text in attributes. */
  textBytes: 67_108_864,
  /** Bytes of datasets that lie in chunks, which may be compressed. */
  chunkBytes: 268_435_456,
  /** Groups within groups. */
  depth: 32,
  /** Axes of a dataset. */
  rank: 32,
  /** Bytes of a name. */
  nameBytes: 1_024,
} as const;
