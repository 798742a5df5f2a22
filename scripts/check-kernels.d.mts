export function checkKernels(
  builds: { name: string; bytes: Uint8Array }[],
  limits?: { memoryBase?: number; memoryEnd?: number; multiplies?: boolean },
): { summary: string[]; faults: string[] };
