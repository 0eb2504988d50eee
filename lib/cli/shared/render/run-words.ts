import type { RunStatus } from "../../../engine/core/run-view.ts";
import type { Style } from "./style.ts";

/** Returns the style function for a status. */
export function paintStatus(status: RunStatus | "pending" | "dispatched" | "skipped", style: Style) {
  switch (status) {
    case "succeeded":
      return style.green;
    case "failed":
      return style.red;
    case "cancelled":
    case "timed-out":
    case "stopping":
      return style.yellow;
    case "running":
      return style.bold;
    default:
      return style.dim;
  }
}

/** Formats how long ago a time was: `5 s ago`, `3 m ago`, `2 h ago`, `4 d ago`. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
