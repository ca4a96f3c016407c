/** Exports nothing. */
export const nothing = 1;
