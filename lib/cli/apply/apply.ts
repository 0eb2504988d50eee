import { messageOf } from "../../base/errors.ts";
import { environment } from "../../driver/program/command-line/environment.ts";
import { type Api, exchange, MissingError, refusal } from "../shared/api/call.ts";
import { usePlane } from "../shared/api/use-plane.ts";
import { secretsOf } from "../shared/request/secrets-of.ts";
import type { InspectOptions } from "../shared/runs/use-runs.ts";
import { isUnchanged } from "./is-unchanged.ts";
import { pathOf, readThings, type Thing, titleOf } from "./read-things.ts";

const RUN = "X-Run-Id";

/** What became of a document. */
interface Applied {
  readonly result: "created" | "changed" | "unchanged";
  readonly run?: string | undefined;
}

/**
 * Creates or changes what the files describe and prints a line for each. All files are read before anything
 * is sent. Throws InputError and UnavailableError; what was sent before stays.
 */
export async function apply(
  files: readonly string[],
  options: InspectOptions & { secret?: readonly string[] | undefined },
): Promise<void> {
  const things = await readThings(files);
  const secrets = secretsOf(options.secret ?? [], environment);
  const api = await usePlane(options);
  for (const thing of things) {
    const { result, run } = await applied(api, thing, secrets).catch((error) => {
      throw inFile(error, thing);
    });
    const { kind, type, name } = thing;
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ kind, type, name, result, run })}\n`
        : `${titleOf(thing)} ${result}${run === undefined ? "" : `, run ${run}`}\n`,
    );
  }
}

async function applied(api: Api, thing: Thing, secrets: Record<string, string>): Promise<Applied> {
  const path = pathOf(thing);
  const found = await read(api, path);
  if (found !== undefined && isUnchanged(thing, found)) return { result: "unchanged" };
  const result = found ? "changed" : "created";
  switch (thing.kind) {
    case "resource-definition":
      await exchange(api, { method: "POST", path: "/resource-definitions/apply", text: thing.text }, RUN);
      return { result };
    case "pipeline": {
      const request = found
        ? { method: "PUT", path } as const
        : { method: "POST", path: "/pipelines" } as const;
      await exchange(api, { ...request, text: thing.text }, RUN);
      return { result };
    }
    case "resource": {
      const request = found
        ? { method: "PUT", path } as const
        : { method: "POST", path: "/resources" } as const;
      const hasSecrets = Object.keys(secrets).length > 0;
      const text = hasSecrets ? withSecrets(thing.text, secrets) : thing.text;
      return { result, run: (await exchange(api, { ...request, text }, RUN)).header };
    }
  }
}

/** Returns what the control plane has at a path, as JSON. */
async function read(api: Api, path: string): Promise<string | undefined> {
  try {
    return (await exchange(api, { method: "GET", path }, RUN)).text;
  } catch (error) {
    if (error instanceof MissingError) return undefined;
    throw error;
  }
}

const withSecrets = (text: string, secrets: Record<string, string>): string =>
  text === "{}"
    ? JSON.stringify({ secrets })
    : `${text.slice(0, -1)},${JSON.stringify({ secrets }).slice(1)}`;

/** Names the document in errors about the request. */
function inFile(error: unknown, thing: Thing): unknown {
  if (!(error instanceof Error) || error instanceof MissingError || error.name !== "InputError") return error;
  return refusal(400, `${thing.where}: ${titleOf(thing)}: ${messageOf(error)}`, "");
}
