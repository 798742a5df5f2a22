export const ISOLATION: Record<string, string>;
export function serve(options: {
  pages?: Record<string, string | Uint8Array>;
  folder?: string;
  allow?: RegExp;
  headers?: Record<string, string>;
  port?: number;
  onPost?: (path: string, body: string) => void;
}): Promise<{ url: string; close(): Promise<void> }>;
