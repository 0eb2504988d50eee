import { InputError } from "../../base/errors.ts";

/**
 * A position between two lines of a run's log. `batch` is the cursor of the last whole batch before it,
 * `lines` the number of the run's lines before it.
 */
export interface LogPlace {
  readonly batch: string | undefined;
  readonly lines: number;
}

export const LOG_START: LogPlace = { batch: undefined, lines: 0 };

/** Returns the position as an opaque text for clients. */
export const cursorText = ({ batch, lines }: LogPlace): string => `${batch ?? ""}~${lines}`;

/** Parses a text made by `cursorText`. Throws InputError if it is invalid. */
export function parseCursor(text: string): LogPlace {
  const [, batch = "", lines = ""] = /^([\d.]{0,40})~(\d{1,15})$/.exec(text) ?? [];
  if (lines === "") {
    throw new InputError(
      `Invalid cursor ${JSON.stringify(text.slice(0, 60))}: expected one of an earlier answer`,
    );
  }
  return { batch: batch === "" ? undefined : batch, lines: Number(lines) };
}
