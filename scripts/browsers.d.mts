export const BROWSER_NAMES: string[];
export function browser(name: string): {
  path: string | undefined;
  flags: string[];
  start(profile: string): string[];
  preferences: Record<string, unknown>;
};
