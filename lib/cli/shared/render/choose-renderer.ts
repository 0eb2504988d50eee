import type { WriteStream } from "node:tty";
import { monotonicClock } from "../../../base/clock.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { jsonRenderer } from "./json.ts";
import { neutralText } from "../../../driver/program/command-line/neutral.ts";
import { openOutput } from "./output.ts";
import { plainRenderer } from "./plain.ts";
import { quietRenderer } from "./quiet.ts";
import type { Renderer } from "./renderer.ts";
import { screenOf } from "./screen.ts";
import { terminalRenderer } from "./terminal.ts";

export interface Surroundings {
  readonly stdout: WriteStream;
  readonly stderr: WriteStream;
  readonly environment: Environment;
  /** Called once, when writing to stdout fails. */
  readonly onFailed: (error: NodeJS.ErrnoException) => void;
}

/** Chooses the form of the output: the one that the flags ask for, otherwise by the kind of stdout. */
export function chooseRenderer(
  { json, quiet }: { json: boolean; quiet: boolean },
  { stdout, stderr, environment, onFailed }: Surroundings,
): Renderer {
  const out = openOutput(stdout, { onFailed });
  const note = (text: string) => {
    stderr.write(`${neutralText(text)}\n`);
  };
  if (json) return jsonRenderer(out, note);
  const { isTerminal, style } = screenOf(stdout, environment);
  if (quiet) return quietRenderer(out, style, note);
  if (!isTerminal) return plainRenderer(out, style, note);
  // A terminal of unknown width reports 0.
  const terminal = terminalRenderer({
    out,
    style,
    columns: () => stdout.columns || 80,
    clock: monotonicClock,
  });
  // If stderr is the same terminal, notes must not run into the status line.
  return stderr.isTTY ? terminal : { ...terminal, note };
}
