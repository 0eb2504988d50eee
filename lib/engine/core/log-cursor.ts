import { InputError } from "../../base/errors.ts";

/**
 * A place in a run's log, between two lines. `batch` is the cursor of the last whole batch before it, `lines` how many lines of
 * the run come before it.
 */
export interface LogPlace {
  readonly batch: string | undefined;
  readonly lines: number;
}

export const LOG_START: LogPlace = { batch: undefined, lines: 0 };

/** The place as a text that clients give back unread. */
export const cursorText = ({ batch, lines }: LogPlace): string => `${batch ?? ""}~${lines}`;

/** Throws InputError for a text that is no cursor. */
export function parseCursor(text: string): LogPlace {
  const [, batch = "", lines = ""] = /^([\d.]{0,40})~(\d{1,15})$/.exec(text) ?? [];
  if (lines === "") {
    throw new InputError(
      `Invalid cursor ${JSON.stringify(text.slice(0, 60))}: expected one of an earlier answer`,
    );
  }
  return { batch: batch === "" ? undefined : batch, lines: Number(lines) };
}
