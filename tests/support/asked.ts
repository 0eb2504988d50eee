import type { Driver } from "../../lib/driver/driver.ts";

type Host = Omit<Parameters<NonNullable<Driver["admit"]>>[0], "policy">;

/** Arguments of `admit` without events in hand and without knowledge of any run. */
export function asked(given: Pick<Host, "docker" | "settings" | "signal"> & Partial<Host>): Host {
  return {
    inHand: 0,
    runs: [],
    isHere: false,
    askRun: () => Promise.resolve(undefined),
    tell: () => {},
    ...given,
  };
}
