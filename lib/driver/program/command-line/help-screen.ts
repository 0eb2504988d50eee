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
  hasColors?(): boolean;
}

/** Describes a stream; undefined stands for one that is no terminal. */
export function helpScreenOf(stream: Stream | undefined): HelpScreen {
  const isTerminal = stream?.isTTY === true;
  return {
    columns: isTerminal ? stream.columns : undefined,
    hasColours: coloursWanted(environment) ?? (isTerminal && stream.hasColors?.() === true),
  };
}

/** Returns a help text as the screen shows it: without styles if it has no colours, wrapped to its width. */
export const shownHelp = (text: string, { columns, hasColours }: HelpScreen): string =>
  fitText(hasColours ? text : withoutStyles(text), columns);

/** Returns whether the user wants colours; undefined if the environment does not say. */
export function coloursWanted({ NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE }: Environment): boolean | undefined {
  if (NO_COLOR || FORCE_COLOR === "0" || FORCE_COLOR === "false") return false;
  return FORCE_COLOR || CLICOLOR_FORCE !== undefined ? true : undefined;
}
