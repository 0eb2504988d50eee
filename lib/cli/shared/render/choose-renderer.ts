import type { WriteStream } from "node:tty";
import { monotonicClock } from "../../../base/clock.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { jsonRenderer } from "./json.ts";
import { neutralText } from "../../../driver/program/command-line/neutral.ts";
import { openOutput } from "./output.ts";
import { plainRenderer } from "./plain.ts";
import { quietRenderer } from "./quiet.ts";
import type { Renderer } from "./renderer.ts";
import { colourStyle, plainStyle } from "./style.ts";
import { terminalRenderer } from "./terminal.ts";

export interface Surroundings {
  readonly stdout: WriteStream;
  readonly stderr: WriteStream;
  readonly environment: Environment;
  /** Called once, when stdout takes no more. */
  readonly onFailed: (error: NodeJS.ErrnoException) => void;
}

/** The form in which a run is shown: as asked for, else by what stdout is. `NO_COLOR` is obeyed. */
export function chooseRenderer(
  { json, quiet }: { json: boolean; quiet: boolean },
  { stdout, stderr, environment, onFailed }: Surroundings,
): Renderer {
  const out = openOutput(stdout, { onFailed });
  const note = (text: string) => {
    stderr.write(`${neutralText(text)}\n`);
  };
  if (json) return jsonRenderer(out, note);
  const isTerminal = stdout.isTTY && environment.TERM !== "dumb";
  const style = isTerminal && !environment.NO_COLOR ? colourStyle : plainStyle;
  if (quiet) return quietRenderer(out, style, note);
  if (!isTerminal) return plainRenderer(out, note);
  // A terminal that does not know its width says 0.
  const terminal = terminalRenderer({
    out,
    style,
    columns: () => stdout.columns || 80,
    clock: monotonicClock,
  });
  // On the same screen, they must not run into the line that is painted over.
  return stderr.isTTY ? terminal : { ...terminal, note };
}
