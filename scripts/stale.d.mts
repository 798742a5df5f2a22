export declare function newest(path: string): number;
export declare function isStale(outputs: readonly string[], sources: readonly string[]): boolean;
