import { formatDuration } from "../../../base/units.ts";
import type { Output } from "./output.ts";
import type { Renderer } from "./renderer.ts";
import { neutral, neutralText } from "../../../driver/program/command-line/neutral.ts";
import { plainStyle } from "./style.ts";
import { outcomeOfStep, recall, summary } from "./summary.ts";

/** Renders lines as they come, for files and pipes. */
export function plainRenderer(out: Output, note: (text: string) => void): Renderer {
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
          if (event.status === "started") return out.write(`==> ${event.step}\n`);
          return out.write(
            `<== ${event.step} ${outcomeOfStep(event)} in ${formatDuration(event.seconds * 1000)}: ${
              neutralText(event.result.message)
            }\n`,
          );
      }
    },
    end(event, facts) {
      out.write(summary(event, memory, { style: plainStyle, ...facts }));
    },
    note,
    close: () => out.flush(),
  };
}
