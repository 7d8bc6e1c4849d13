/** Where a restore stands between filling a staging place and putting it where the live one is. */
export interface PointOfNoReturn {
  /** Passes it where nothing is swapped: what was filled is the operator's own. */
  pass(): void;
  /**
   * Passes it with a swap.
   * @param isPassed whether the staging place is the live one now, or may become it yet, although the swap failed
   */
  passWith<T>(swap: () => Promise<T>, isPassed: (error: unknown) => boolean): Promise<T>;
  /** Undoes what has been done so far, unless the point has been passed: that would take away what is live. */
  unlessPassed(discard: () => Promise<void>): Promise<void>;
}

/** See RestoreSession.commit and discard. */
export function pointOfNoReturn(): PointOfNoReturn {
  let hasPassed = false;
  return {
    pass: () => {
      hasPassed = true;
    },
    passWith: async (swap, isPassed) => {
      hasPassed = true;
      return swap().catch((error: unknown) => {
        hasPassed = isPassed(error);
        throw error;
      });
    },
    unlessPassed: async (discard) => {
      if (!hasPassed) await discard();
    },
  };
}
