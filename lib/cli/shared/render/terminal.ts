import type { Clock } from "../../../base/clock.ts";
import { startInterval, stopTimer } from "../../../base/timers.ts";
import { formatDuration } from "../../../base/units.ts";
import type { LogLine, StepEnded } from "../../../engine/core/events.ts";
import { neutral, neutralText } from "../../../driver/program/command-line/neutral.ts";
import type { Output } from "./output.ts";
import type { Renderer } from "./renderer.ts";
import type { Style } from "./style.ts";
import { colourOf, outcomeOfStep, recall, summary } from "./summary.ts";

export interface Terminal {
  readonly out: Output;
  readonly style: Style;
  /** Returns the current width in characters. */
  columns(): number;
  readonly clock: Clock;
}

const FRAME_MS = 100;
const CHUNK_CHARS = 32 * 1024;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ERASE_LINE = "\r\x1b[K";
/**
 * The progress of an image's layer. It is shown in the status line: many of them a second would scroll
 * everything else away.
 */
const PROGRESS = /^[0-9a-f]{12}: /;

/**
 * Renders the log as it comes, with a status line below it: the current step, its duration and what is being
 * pulled. The status line is erased before other output and written again after it, in one write.
 */
export function terminalRenderer({ out, style, columns, clock }: Terminal): Renderer {
  const memory = recall();
  let pending = "";
  let shown = false;
  let running: { step: string; since: number; doing: string } | undefined;
  let frame = 0;
  const timer = startInterval(paint, FRAME_MS);

  function paint(): Promise<void> | undefined {
    const status = statusLine();
    const text = `${shown ? ERASE_LINE : ""}${pending}${status}`;
    pending = "";
    shown = status !== "";
    if (text === "") return undefined;
    out.write(text);
    return out.flush();
  }

  function statusLine(): string {
    if (!running) return "";
    const { step, since, doing } = running;
    const sign = FRAMES[frame++ % FRAMES.length] ?? "";
    const text = `${sign} ${step} ${formatDuration(clock() - since)}${doing === "" ? "" : ` · ${doing}`}`;
    return style.dim(text.slice(0, Math.max(0, columns() - 1)));
  }

  /** Never rejects. */
  function add(line: string): Promise<void> | undefined {
    pending += `${line}\n`;
    return pending.length >= CHUNK_CHARS ? paint() : undefined;
  }

  return {
    show(event) {
      memory.see(event);
      switch (event.type) {
        case "run":
          return add(style.dim(`run ${event.run}`));
        case "log":
          if (running && event.stream === "system" && PROGRESS.test(event.message)) {
            running.doing = neutral(event.message);
            return undefined;
          }
          return add(logLine(event, style));
        case "step":
          if (event.status === "started") {
            running = { step: event.step, since: clock(), doing: "" };
            return add(style.bold(`▸ ${event.step}`));
          }
          running = undefined;
          return add(stepEnd(event, style));
      }
    },
    end(event, facts) {
      running = undefined;
      pending += summary(event, memory, { style, ...facts });
    },
    note(text) {
      add(style.yellow(neutralText(text)));
    },
    async close() {
      stopTimer(timer);
      running = undefined;
      await paint();
      await out.close();
    },
  };
}

function logLine({ stream, message }: LogLine, style: Style): string {
  const text = neutral(message);
  return stream === "system" ? style.dim(text) : text;
}

function stepEnd(event: StepEnded, style: Style): string {
  const { step, seconds, result } = event;
  const outcome = outcomeOfStep(event);
  const took = formatDuration(seconds * 1000);
  const text = `${step} ${outcome} in ${took}`;
  const told = result.message === "" ? "" : `: ${neutralText(result.message)}`;
  if (outcome === "skipped") return style.dim(`– ${text}${told}`);
  return `${colourOf(outcome, style)(`${outcome === "succeeded" ? "✓" : "✗"} ${text}`)}${told}`;
}
