import type { JetStreamManager } from "@nats-io/jetstream";
import { z } from "zod";
import { Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { mtimeField, USUAL_MODE } from "../../wire/run.ts";
import { ConflictError, type Table } from "../store.ts";
import { ARTIFACTS_BUCKET, ARTIFACTS_STREAM } from "./blobs.ts";
import type { Link } from "./link.ts";
import { orderedMessages } from "./ordered.ts";
import { OUTAGE_MS, storedMessage } from "./stored.ts";
import { parseJson } from "../../base/json.ts";

/**
 * Subjects of the objects' descriptions and of their chunks in the bucket's stream; each object has one of
 * each.
 */
export const DESCRIPTIONS = `$O.${ARTIFACTS_BUCKET}.M.>`;
export const CHUNKS = `$O.${ARTIFACTS_BUCKET}.C.*`;

/** The bucket's description of one object. */
const Description = z.looseObject({
  name: z.string(),
  nuid: z.string().default(""),
  size: z.number().default(0),
  chunks: z.number().default(0),
  digest: z.string().default(""),
  deleted: z.boolean().default(false),
  metadata: z.record(z.string(), z.string()).nullish(),
});

export interface Entry {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  readonly mode: number;
  readonly mtime?: number;
  readonly chunks: number;
  /** Subject of its chunks. */
  readonly subject: string;
  readonly object: string;
}

/** The last description read, and the creation time of its stream. */
const Position = z.object({ created: z.string(), seq: z.int() });
const POSITION_KEY = "position";
const ENTRY_PREFIX = "artifact/";

/**
 * Index of each run's artifacts. The bucket can only list the objects of all runs; so this copies its
 * descriptions to a table of the local store. It continues there after a restart, and catches up with the
 * bucket before it answers. Nothing is kept in memory.
 */
export class ArtifactIndex implements AsyncDisposable {
  readonly #manager: JetStreamManager;
  readonly #table: Table<unknown>;
  readonly #closing = new AbortController();
  readonly #following: Promise<void>;
  #seen = 0;
  #more = Promise.withResolvers<void>();

  constructor(link: Link, manager: JetStreamManager, table: Table<unknown>) {
    this.#manager = manager;
    this.#table = table;
    this.#following = this.#follow(link);
  }

  /** Returns the run's artifacts by name. Throws `Retryable` if the broker does not answer. */
  async of(run: string): Promise<ReadonlyMap<string, Entry>> {
    await this.#catchUp();
    const entries = new Map<string, Entry>();
    for await (const { value } of this.#entries(keyOf(run, ""))) {
      entries.set(value.name, value);
    }
    return entries;
  }

  /** Returns the objects of those of these runs that have some. Throws as `of`. */
  async objectsOf(runs: ReadonlySet<string>): Promise<Map<string, string[]>> {
    const objects = new Map<string, string[]>();
    if (runs.size === 0) return objects;
    await this.#catchUp();
    for await (const { key, value } of this.#entries(ENTRY_PREFIX)) {
      const [run = ""] = key.slice(ENTRY_PREFIX.length).split("/", 1);
      if (!runs.has(run)) continue;
      const found = objects.get(run) ?? [];
      found.push(value.object);
      objects.set(run, found);
    }
    return objects;
  }

  /** Returns the number of descriptions and the chunk subjects of all artifacts. Throws as `of`. */
  async subjects(): Promise<{ descriptions: number; chunks: Set<string> }> {
    await this.#catchUp();
    const chunks = new Set<string>();
    let descriptions = 0;
    for await (const { value } of this.#entries(ENTRY_PREFIX)) {
      descriptions++;
      if (value.chunks > 0) chunks.add(value.subject);
    }
    return { descriptions, chunks };
  }

  /** Removes a run's entries once its artifacts are removed: the index may never see the deletion markers. */
  async forget(run: string): Promise<void> {
    for await (const { key } of this.#entries(keyOf(run, ""))) await this.#write(key, undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  async *#entries(prefix: string): AsyncGenerator<{ key: string; value: Entry }> {
    for (let after = prefix;;) {
      const page = await this.#table.list({ after });
      for (const { key, value } of page) {
        if (!key.startsWith(prefix)) return;
        yield { key, value: value as Entry };
        after = key;
      }
      if (page.length === 0) return;
    }
  }

  async #catchUp(): Promise<void> {
    const newest = await storedMessage(this.#manager, ARTIFACTS_STREAM, { last_by_subj: DESCRIPTIONS });
    const late = timeoutSignal(OUTAGE_MS);
    while (newest && this.#seen < newest.seq) {
      const { promise } = this.#more;
      await Promise.race([promise, onAbort(late)]);
      if (late.aborted && this.#seen < newest.seq) {
        throw new Retryable("Cannot list artifacts: the broker did not list all of them", {
          reason: "transport-unreachable",
        });
      }
    }
  }

  async #follow(link: Link): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const { created, seq } = await this.#begin();
        const query = { stream: ARTIFACTS_STREAM, subject: DESCRIPTIONS, from: seq + 1 };
        for await (const message of orderedMessages(link, query, signal)) {
          await this.#take(message.data);
          await this.#write(POSITION_KEY, { created, seq: message.seq });
          this.#reached(message.seq);
        }
      } catch (error) {
        if (signal.aborted) return;
        processLog("nats").warn("Cannot follow the artifacts, will try again: {error}", { error });
        await delay(1000, { signal }).catch(() => {});
      }
    }
  }

  /** Returns the position to continue from; clears the table and starts over if the bucket was recreated. */
  async #begin(): Promise<z.infer<typeof Position>> {
    const { created, state } = await this.#manager.streams.info(ARTIFACTS_STREAM);
    const stored = Position.safeParse((await this.#table.get(POSITION_KEY))?.value);
    const isSame = stored.data?.created === created && stored.data.seq <= state.last_seq;
    if (!isSame) {
      for await (const { key } of this.#entries(ENTRY_PREFIX)) await this.#write(key, undefined);
      await this.#write(POSITION_KEY, { created, seq: 0 });
    }
    const position = { created, seq: isSame ? stored.data?.seq ?? 0 : 0 };
    this.#seen = 0;
    this.#reached(position.seq);
    return position;
  }

  #reached(seq: number): void {
    this.#seen = Math.max(this.#seen, seq);
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }

  async #take(data: Uint8Array): Promise<void> {
    const entry = read(data);
    if (!entry) return;
    const [run, name] = splitObject(entry.name);
    await this.#write(keyOf(run, name), entry.deleted ? undefined : entryOf(name, entry));
  }

  /**
   * Writes a value, or deletes it if undefined. Only this process writes the table, so a conflict is retried
   * and the last write wins.
   */
  async #write(key: string, value: unknown): Promise<void> {
    for (;;) {
      const revision = (await this.#table.get(key))?.revision ?? 0;
      try {
        if (value !== undefined) await this.#table.put(key, value, revision);
        else if (revision > 0) await this.#table.delete(key, revision);
        return;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }
}

const keyOf = (run: string, name: string): string => `${ENTRY_PREFIX}${run}/${name}`;

type Description = z.infer<typeof Description>;

/** Converts a description to an entry. */
export function entryOf(
  name: string,
  { name: object, nuid, size, chunks, digest, metadata }: Pick<
    Description,
    "name" | "nuid" | "size" | "chunks" | "digest" | "metadata"
  >,
): Entry {
  const sha256 = Buffer.from(digest.replace(/^SHA-256=/, ""), "base64url").toString("hex");
  const mode = Number(metadata?.["mode"] ?? USUAL_MODE) & 0o777;
  const attributes = { mode, ...mtimeField(metadata?.["mtime"]) };
  return { name, size, sha256, ...attributes, chunks, object, subject: CHUNKS.replace("*", nuid) };
}

/** Parses a description; undefined if it is no artifact's, as another client may have written it. */
function read(data: Uint8Array): Description | undefined {
  try {
    const description = Description.parse(parseJson(new TextDecoder().decode(data)));
    return isArtifact(description.name) ? description : undefined;
  } catch {
    return undefined;
  }
}

/** Returns whether an object has an artifact's name: other clients may store theirs in the bucket. */
export function isArtifact(object: string): boolean {
  try {
    return decodeURI(object).includes("/");
  } catch {
    return false;
  }
}

/** Splits `<run>/<name>`, see `objectName`. Call only if `isArtifact`. */
export function splitObject(object: string): [run: string, name: string] {
  const path = decodeURI(object);
  const at = path.indexOf("/");
  return [path.slice(0, at), path.slice(at + 1)];
}

function onAbort(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
