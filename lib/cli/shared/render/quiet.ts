import type { Output } from "./output.ts";
import type { Renderer } from "./renderer.ts";
import type { Style } from "./style.ts";
import { outcome } from "./summary.ts";

/** Renders the outcome only, on one line. */
export function quietRenderer(out: Output, style: Style, note: (text: string) => void): Renderer {
  return {
    show: () => undefined,
    end(event) {
      out.write(`${outcome(event, style)}\n`);
    },
    note,
    close: () => out.close(),
  };
}
