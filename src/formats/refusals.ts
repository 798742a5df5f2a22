import { RivuletError } from '../errors.js';

/** Is told of each node or layer that a reader does not take, with its operator or class. */
export type OnRefusal = (refusal: RivuletError, operator: string) => void;

export interface RefusalOptions {
  /**
   * With it a reader goes on behind what it does not take, to find what else is refused. It ends in the first refusal, or in
   * a graph that does not run.
   */
  onRefusal?: OnRefusal | undefined;
}

/** What a reader has refused so far. */
export class Refusals {
  /** The first, in which the reading ends. */
  first: RivuletError | undefined;

  constructor(private readonly onRefusal: OnRefusal | undefined) {}

  /** Tells of what was thrown; throws it where it is no refusal, or nobody wants to hear of others. */
  tell(error: unknown, operator = ''): void {
    if (!this.onRefusal || !isRefusal(error)) throw error;
    this.first ??= error;
    this.onRefusal(error, operator);
  }

  /** Throws the first, where there was any. */
  end(): void {
    if (this.first) throw this.first;
  }
}

const REFUSED = 'refused ';

/** The operator of a refused node, in the graph: the planner may have one of the node's own name. */
export const refusedOperator = (op: string): string => REFUSED + op;

export const isRefusedOperator = (op: string): boolean => op.startsWith(REFUSED);

/** The operator that was refused. */
export const operatorRefused = (op: string): string => op.slice(REFUSED.length);

/** Whether a file is sound, but holds what is not implemented. */
export const isRefusal = (error: unknown): error is RivuletError =>
  error instanceof RivuletError && (error.code === 'UNSUPPORTED_OPERATOR' || error.code === 'UNSUPPORTED_ATTRIBUTE');
