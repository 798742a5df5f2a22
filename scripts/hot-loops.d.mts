export function hotLoops(text: string): { name: string; counts: Record<string, number> }[];
export function listHotLoops(root: URL): string[];
