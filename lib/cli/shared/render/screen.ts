import { type Environment, environment } from "../../../driver/program/command-line/environment.ts";
import { hasColours } from "../../../driver/program/command-line/help-screen.ts";
import { colourStyle, plainStyle, type Style } from "./style.ts";

export interface Screen {
  readonly style: Style;
  readonly isTerminal: boolean;
  /** The terminal's width, where it is known. */
  readonly columns?: number;
}

/** Returns what kind of output stdout is, and its style. */
export function screenOf(
  stdout: { readonly isTTY?: boolean; readonly columns?: number } = process.stdout,
  surroundings: Environment = environment,
): Screen {
  const isTerminal = stdout.isTTY === true && surroundings.TERM !== "dumb";
  // A terminal of unknown width reports 0.
  const width = isTerminal && stdout.columns ? { columns: stdout.columns } : {};
  return { isTerminal, ...width, style: hasColours(stdout, surroundings) ? colourStyle : plainStyle };
}
