import type { LogLine, RunEnded, RunEvent, StepEnded } from "../../lib/engine/core/events.ts";

export const RUN = "3b241101-e2bb-4255-8caf-4136c566a962";
const time = "2026-01-02T03:04:05.678Z";

export const line = (
  seq: number,
  message: string,
  step = "builder",
  stream: LogLine["stream"] = "stdout",
): LogLine => ({
  message,
  time,
  stream,
  seq,
  step,
  run: RUN,
  type: "log",
});

export const started = (step: string): RunEvent => ({
  type: "step",
  run: RUN,
  step,
  driver: step,
  status: "started",
  time,
});

export const stepEnded = (
  step: string,
  status: StepEnded["status"],
  message: string,
  data?: unknown,
): StepEnded => ({
  type: "step",
  run: RUN,
  step,
  driver: step,
  status,
  seconds: 1.234,
  result: { success: status !== "failed", message, ...data !== undefined && { data } },
  time,
});

export const runEnded = (end: Partial<RunEnded>): RunEnded => ({
  type: "end",
  run: RUN,
  outcome: "succeeded",
  message: "Built",
  seconds: 61,
  lines: 3,
  artifacts: [],
  ...end,
});

export const runStarted: RunEvent = {
  type: "run",
  run: RUN,
  resource: { id: "1", name: "app", resource: "flutter-builder", spec: { repository: "https://x/y" } },
  time,
};
