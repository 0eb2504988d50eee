import { systemClock } from "../../base/clock.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import { neutralText } from "../../driver/program/command-line/neutral.ts";
import type { RunView, StepView } from "../../engine/core/run-view.ts";
import type { Artifact } from "../../wire/run.ts";
import { json } from "../shared/api/call.ts";
import { ago, paintStatus } from "../shared/render/run-words.ts";
import { type Screen, screenOf } from "../shared/render/screen.ts";
import { tableLines } from "../shared/render/table.ts";
import { commandFor } from "../shared/runs/command-for.ts";
import { resolveRun } from "../shared/runs/resolve-run.ts";
import { type InspectOptions, useRuns } from "../shared/runs/use-runs.ts";

/** Prints a run to stdout. Throws InputError if there is no such run. */
export async function show(text: string, options: InspectOptions): Promise<void> {
  await using opened = await useRuns(options);
  const { call } = opened;
  const id = await resolveRun(call, text);
  const run = await json(await call({ method: "GET", path: `/runs/${id}` })) as RunView;
  const { artifacts } = await json(await call({ method: "GET", path: `/runs/${id}/artifacts` })) as {
    artifacts: Artifact[];
  };
  const shown = options.json
    ? JSON.stringify({ ...run, artifacts })
    : description(run, artifacts, { screen: screenOf(), now: systemClock(), options });
  process.stdout.write(`${shown}\n`);
}

function description(
  run: RunView,
  artifacts: readonly Artifact[],
  { screen, now, options }: { screen: Screen; now: number; options: InspectOptions },
): string {
  const { style } = screen;
  const { id, status, reason, message, resource, pipeline, createdAt, seconds, host, retryOf, submitter } =
    run;
  const because = message === undefined || status === "succeeded"
    ? ""
    : `: ${message}${reason ? ` (${reason})` : ""}`;
  const facts: [string, string | undefined][] = [
    ["run", id],
    ["status", `${paintStatus(status, style)(status)}${neutralText(because)}`],
    [
      "resource",
      `${resource.name} (${resource.type}${resource.version ? `, version ${resource.version}` : ""})`,
    ],
    ["pipeline", pipeline],
    ["started", `${createdAt} (${ago(createdAt, now)})`],
    ["took", seconds === undefined ? undefined : formatDuration(seconds * 1000)],
    ["host", host],
    ["retry of", retryOf],
    ["by", submitter],
    ["waiting", run.waiting],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style.bold(name.padEnd(9))} ${value}`]
  );
  const rounds = [...run.earlier, run.steps];
  for (const [i, steps] of rounds.entries()) {
    const title = rounds.length === 1 ? [] : [`Round ${i + 1} of ${rounds.length}:`];
    lines.push("", ...title, ...stepTable(steps, screen));
  }
  if (artifacts.length > 0) {
    const rows = artifacts.map(({ name, size }) => [name, formatSize(size)]);
    lines.push("", ...tableLines(["artifact", "size"], rows, style));
  }
  lines.push("", `Log: ${commandFor("logs", id, options)}`);
  return lines.join("\n");
}

function stepTable(steps: readonly StepView[], { style, columns }: Screen): string[] {
  const rows = steps.map(({ id, status, seconds, attempts, result }) => [
    id,
    { text: status, paint: paintStatus(status, style) },
    seconds === undefined ? "" : seconds.toFixed(2),
    attempts > 1 ? String(attempts) : "",
    result?.message ?? "",
  ]);
  return tableLines(["step", "status", "seconds", "attempts", "result"], rows, style, columns);
}
