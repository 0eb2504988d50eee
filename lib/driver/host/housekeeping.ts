import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import type { Docker } from "../../docker/docker.ts";
import type { Driver, DriverSettings } from "../driver.ts";
import type { AskRun } from "./run-state.ts";

const EVERY_MS = 60_000;

export interface HousekeepingOptions {
  readonly docker: Docker;
  readonly settings: DriverSettings;
  readonly policy?: unknown;
  readonly askRun: AskRun;
  readonly signal: AbortSignal;
  readonly everyMs?: number;
  /** Resolves when housekeeping is due before the minute is over. */
  readonly news?: () => Promise<void>;
}

/** Runs a driver's housekeeping now, every `everyMs` (default 60,000) and on news, until `signal` aborts. */
export async function keepHouse(
  driver: Driver,
  { docker, settings, policy, askRun, signal, everyMs = EVERY_MS, news = () => new Promise(() => {}) }:
    HousekeepingOptions,
): Promise<void> {
  while (driver.housekeep && !signal.aborted) {
    const called = news();
    try {
      await driver.housekeep({ docker, settings, policy, askRun, signal });
    } catch (error) {
      if (signal.aborted) return;
      processLog("driver").warn("Cannot look after the host: {why}", { why: messageOf(error) });
    }
    const passing = new AbortController();
    const within = AbortSignal.any([signal, passing.signal]);
    await Promise.race([delay(everyMs, { signal: within }), called]).catch(() => {});
    passing.abort(new Error("There is news"));
  }
}
