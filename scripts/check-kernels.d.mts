export function checkKernels(builds: { name: string; bytes: Uint8Array }[]): { summary: string[]; faults: string[] };
