import { InputError } from "../../../base/errors.ts";
import type { RunSummary } from "../../../engine/core/run-view.ts";
import { isRunId } from "../../../wire/ids.ts";
import { type Caller, json } from "../api/call.ts";

/** Description of a command's run argument. */
export const RUN_ARGUMENT = "id of a run, a unique beginning of one, or last";

/** Fetches one page of runs. */
export async function listRuns(
  call: Caller,
  query: Readonly<Record<string, string>>,
): Promise<{ runs: RunSummary[]; next?: string }> {
  const path = `/runs?${new URLSearchParams(query)}`;
  return await json(await call({ method: "GET", path })) as { runs: RunSummary[]; next?: string };
}

/** Returns the id of the run that `text` names. Throws InputError if there is no such run, or several. */
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

/** Returns the first characters of an id, enough to name the run. */
export const shortId = (id: string): string => id.slice(0, 8);
