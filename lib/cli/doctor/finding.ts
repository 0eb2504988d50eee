import { counted, formatDuration } from "../../base/units.ts";
import { messageOf, UnavailableError } from "../../base/errors.ts";
import type { Environment } from "../../driver/program/command-line/environment.ts";
import type { LoginOptions } from "../../driver/program/broker/broker-flags.ts";
import type { RunsOptions } from "../shared/runs/open-runs.ts";

/** Something that was looked at. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly what: string;
  readonly message: string;
  readonly remedy?: string;
}

export type CheckOptions = RunsOptions & LoginOptions & {
  readonly docker?: string | undefined;
  readonly nats?: readonly string[] | undefined;
  /** The program that logs in to the broker: `up` or a driver. */
  readonly as?: string | undefined;
  readonly hostId?: string | undefined;
};

export type Check = (options: CheckOptions, environment: Environment) => Promise<Finding[]>;

/** How long an answer may take, milliseconds. */
export const ANSWER_MS = 10_000;

/** A clock that is further off makes tokens and times wrong, milliseconds. */
const MOST_APART_MS = 30_000;

/** Returns what is wrong between a clock and ours; nothing if they agree. */
export function clockFindings(whose: string, apartMs: number): Finding[] {
  if (!(Math.abs(apartMs) > MOST_APART_MS)) return [];
  return [{
    level: "warn",
    what: "clock",
    message: `${whose} and this machine are ${formatDuration(Math.abs(apartMs))} apart`,
    remedy: "Let both follow a time server",
  }];
}

export const deadFinding = (what: string, count: number, where: string): Finding => ({
  level: "warn",
  what,
  message: `${counted(count, "message")} could not be understood, and lie in ${where}`,
  remedy: "See there why; a driver or a program that sends to the broker does not speak as it should",
});

export function failed(what: string, error: unknown, remedy: string): Finding {
  const hint = error instanceof UnavailableError ? error.hint : undefined;
  return { level: "fail", what, message: messageOf(error), remedy: hint ?? remedy };
}
