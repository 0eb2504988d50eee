import { InputError } from "../../base/errors.ts";
import { pathOf, readThings, type Thing, titleOf } from "../apply/read-things.ts";
import { exchange, MissingError } from "../shared/api/call.ts";
import { usePlane } from "../shared/api/use-plane.ts";
import type { InspectOptions } from "../shared/runs/use-runs.ts";

export interface DeleteOptions extends InspectOptions {
  readonly file?: readonly string[] | undefined;
  readonly ignoreMissing?: boolean | undefined;
}

type Named = Pick<Thing, "kind" | "type" | "name">;

/**
 * Removes a resource, or all that files describe, and prints a line for each. What is missing is an error
 * once all others are removed. Throws InputError and UnavailableError.
 */
export async function remove(words: readonly string[], options: DeleteOptions): Promise<void> {
  const { file, json, ignoreMissing = false } = options;
  const things = file ? (await readThings([...file, ...words])).toReversed() : [resourceIn(words)];
  const api = await usePlane(options);
  const missing: string[] = [];
  for (const thing of things) {
    const { kind, type, name } = thing;
    try {
      const { header: run } = await exchange(api, { method: "DELETE", path: pathOf(thing) }, "X-Run-Id");
      process.stdout.write(
        json
          ? `${JSON.stringify({ kind, type, name, result: "deleted", run })}\n`
          : `${titleOf(thing)} deleted${run === undefined ? "" : `, run ${run}`}\n`,
      );
    } catch (error) {
      if (!(error instanceof MissingError)) throw error;
      if (!ignoreMissing) missing.push(`There is no ${titleOf(thing)}`);
    }
  }
  if (missing.length > 0) throw new InputError(missing.join("\n"));
}

function resourceIn(words: readonly string[]): Named {
  const [type, name, ...more] = words;
  if (type !== undefined && name !== undefined && more.length === 0) return { kind: "resource", type, name };
  throw new InputError(
    `Expected the type and name of a resource, or -f FILE; got ${
      words.length === 0 ? "nothing" : words.join(" ")
    }`,
  );
}
