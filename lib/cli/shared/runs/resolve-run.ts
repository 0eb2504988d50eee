import { InputError } from "../../../base/errors.ts";
import type { RunSummary } from "../../../engine/core/run-view.ts";
import { isRunId } from "../../../wire/ids.ts";
import { type Caller, json } from "../api/call.ts";

/** What a person calls a run. */
export const RUN_ARGUMENT = "id of a run, a unique beginning of one, or last";

/** A page of runs, as the API gives it. */
export async function listRuns(
  call: Caller,
  query: Readonly<Record<string, string>>,
): Promise<{ runs: RunSummary[]; next?: string }> {
  const path = `/runs?${new URLSearchParams(query)}`;
  return await json(await call({ method: "GET", path })) as { runs: RunSummary[]; next?: string };
}

/** The id of the run that a person means. Throws InputError where it is none, or several. */
export async function resolveRun(call: Caller, text: string): Promise<string> {
  if (isRunId(text)) return text.toLowerCase();
  if (text === "last") {
    const { runs: [newest] } = await listRuns(call, { limit: "1" });
    if (newest) return newest.id;
    throw new InputError("There is no run yet");
  }
  if (!/^[0-9a-f-]{1,36}$/i.test(text)) {
    throw new InputError(`Invalid run "${text}": expected the ${RUN_ARGUMENT}`);
  }
  const { runs } = await listRuns(call, { id: text, limit: "3" });
  const [only, ...others] = runs;
  if (!only) throw new InputError(`No run begins with "${text}": "flutter-ci runs" lists them`);
  if (others.length === 0) return only.id;
  throw new InputError(
    `Several runs begin with "${text}": expected more of one's id, like ${
      runs.map(({ id }) => id).join(" or ")
    }`,
  );
}

/** Enough of an id for a person to name the run by. */
export const shortId = (id: string): string => id.slice(0, 8);
