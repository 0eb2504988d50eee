import { formatDuration } from "../../../base/units.ts";
import type { StepEnded } from "../../../engine/core/events.ts";
import type { Output } from "./output.ts";
import type { Renderer } from "./renderer.ts";
import { neutral, neutralText } from "../../../driver/program/command-line/neutral.ts";
import type { Style } from "./style.ts";
import { colourOf, outcomeOfStep, recall, summary } from "./summary.ts";

/** Renders lines as they come, for files and pipes. */
export function plainRenderer(out: Output, style: Style, note: (text: string) => void): Renderer {
  const memory = recall();
  return {
    show(event) {
      memory.see(event);
      switch (event.type) {
        case "log":
          return out.write(`${neutral(event.message)}\n`);
        case "run":
          return out.write(`run ${event.run}\n`);
        case "step":
          return out.write(
            `${event.status === "started" ? style.bold(`==> ${event.step}`) : stepEnd(event, style)}\n`,
          );
      }
    },
    end(event, facts) {
      out.write(summary(event, memory, { style, ...facts }));
    },
    note,
    close: () => out.close(),
  };
}

function stepEnd(event: StepEnded, style: Style): string {
  const outcome = outcomeOfStep(event);
  const took = formatDuration(event.seconds * 1000);
  const end = colourOf(outcome, style)(`<== ${event.step} ${outcome} in ${took}`);
  return `${end}: ${neutralText(event.result.message)}`;
}
