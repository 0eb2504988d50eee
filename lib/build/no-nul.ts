import { z } from "zod";

/** A text without NUL, which neither a command line nor a path can hold. */
export const noNul = (what: string) =>
  z.string().refine((value) => !value.includes("\0"), `expected ${what} without NUL`);
