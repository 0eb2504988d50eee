import { type Environment, environment } from "./environment.ts";
import { fitText, withoutStyles } from "./fit.ts";

/** The output that a help text is written to. */
export interface HelpScreen {
  /** The terminal's width; undefined if it is no terminal. */
  readonly columns: number | undefined;
  readonly hasColours: boolean;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Describes a stream; undefined stands for one that is no terminal. */
export function helpScreenOf(stream: Stream | undefined): HelpScreen {
  return {
    columns: stream?.isTTY === true ? stream.columns : undefined,
    hasColours: hasColours(stream, environment),
  };
}

/** Returns a help text as the screen shows it: without styles if it has no colours, wrapped to its width. */
export const shownHelp = (text: string, { columns, hasColours }: HelpScreen): string =>
  fitText(hasColours ? text : withoutStyles(text), columns);

/** Returns whether output to a stream has colours: on a terminal, unless the environment says otherwise. */
export function hasColours(
  stream: Stream | undefined,
  { NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, TERM }: Environment,
): boolean {
  if (NO_COLOR || FORCE_COLOR === "0" || FORCE_COLOR === "false") return false;
  if (FORCE_COLOR || (CLICOLOR_FORCE && CLICOLOR_FORCE !== "0")) return true;
  return stream?.isTTY === true && TERM !== "dumb";
}
