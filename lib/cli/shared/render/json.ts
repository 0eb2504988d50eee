import type { RunEvent } from "../../../engine/core/events.ts";
import type { LogCut } from "../../../engine/core/log-cut.ts";
import type { Output } from "./output.ts";
import type { Renderer } from "./renderer.ts";

/** Renders one JSON object a line. Scripts may rely on its keys and their order. */
export function jsonRenderer(out: Output, note: (text: string) => void): Renderer {
  return {
    show: (event) => out.write(eventLine(event)),
    end(event, { unsaved }) {
      out.write(lineOf({ ...ordered(event), ...unsaved !== undefined && { unsaved } }));
    },
    note,
    close: () => out.close(),
  };
}

/** Returns an event as a line of JSON, with its newline. */
export function eventLine(event: RunEvent | LogCut): string {
  return lineOf(ordered(event));
}

const lineOf = (value: object): string => `${harmless(JSON.stringify(value))}\n`;

function ordered(event: RunEvent | LogCut): object {
  const { type, run } = event;
  switch (type) {
    case "run":
      return { type, run, resource: event.resource, time: event.time };
    case "log": {
      const { step, seq, stream, time, message } = event;
      return { type, run, step, seq, stream, time, message };
    }
    case "cut": {
      const { reason, step, lines, message } = event;
      return { type, run, reason, step, lines, message };
    }
    case "step": {
      const { step } = event;
      if (event.status === "started") {
        return { type, run, step, driver: event.driver, status: event.status, time: event.time };
      }
      const { success, message, data = {} } = event.result;
      return {
        type,
        run,
        step,
        status: event.status,
        seconds: event.seconds,
        result: { success, message, data },
      };
    }
    case "end": {
      const { outcome, reason, message, seconds, lines } = event;
      const artifacts = event.artifacts.map(({ name, path, size, sha256 }) => ({ name, path, size, sha256 }));
      return { type, run, outcome, reason, message, seconds, lines, artifacts };
    }
  }
}

/** Escapes characters that JSON allows but some terminals take for the start of an escape sequence. */
function harmless(json: string): string {
  if (!/[\x7f-\x9f]/.test(json)) return json;
  return json.replace(/[\x7f-\x9f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
