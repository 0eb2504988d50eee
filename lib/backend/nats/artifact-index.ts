import type { JetStreamManager } from "@nats-io/jetstream";
import { z } from "zod";
import { Retryable } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { delay } from "../../base/signals.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { USUAL_MODE } from "../../wire/run.ts";
import { ARTIFACTS_BUCKET, ARTIFACTS_STREAM } from "./blobs.ts";
import type { Link } from "./link.ts";
import { orderedMessages } from "./ordered.ts";
import { OUTAGE_MS, storedMessage } from "./stored.ts";

/** Where in the bucket's stream the objects' descriptions are, and their bytes: a subject for each object. */
export const DESCRIPTIONS = `$O.${ARTIFACTS_BUCKET}.M.>`;
export const CHUNKS = `$O.${ARTIFACTS_BUCKET}.C.*`;

/** What the bucket says of one object. */
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
  readonly chunks: number;
  /** Where its bytes are: one subject. */
  readonly subject: string;
  readonly object: string;
}

/**
 * Which artifacts each run has. The bucket itself can only list all of them, of all runs; so this follows its
 * descriptions, and knows of everything that was stored before it is asked.
 */
export class ArtifactIndex implements AsyncDisposable {
  readonly #manager: JetStreamManager;
  readonly #runs = new Map<string, Map<string, Entry>>();
  readonly #closing = new AbortController();
  readonly #following: Promise<void>;
  #seen = 0;
  #more = Promise.withResolvers<void>();

  constructor(link: Link, manager: JetStreamManager) {
    this.#manager = manager;
    this.#following = this.#follow(link);
  }

  /** By name. Throws Retryable where the broker does not answer. */
  async of(run: string): Promise<ReadonlyMap<string, Entry>> {
    await this.#catchUp();
    return this.#runs.get(run) ?? new Map();
  }

  /** What all artifacts take of the bucket's stream: how many descriptions, and the subjects of their bytes. Throws as `of`. */
  async subjects(): Promise<{ descriptions: number; chunks: Set<string> }> {
    await this.#catchUp();
    const chunks = new Set<string>();
    let descriptions = 0;
    for (const artifacts of this.#runs.values()) {
      descriptions += artifacts.size;
      for (const entry of artifacts.values()) if (entry.chunks > 0) chunks.add(entry.subject);
    }
    return { descriptions, chunks };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  async #catchUp(): Promise<void> {
    const newest = await storedMessage(this.#manager, ARTIFACTS_STREAM, { last_by_subj: DESCRIPTIONS });
    const late = timeoutSignal(OUTAGE_MS);
    while (newest && this.#seen < newest.seq) {
      const { promise } = this.#more;
      await Promise.race([promise, onAbort(late)]);
      if (late.aborted && this.#seen < newest.seq) {
        throw new Retryable("Cannot list artifacts: the broker does not tell of all of them", {
          reason: "transport-unreachable",
        });
      }
    }
  }

  async #follow(link: Link): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const query = { stream: ARTIFACTS_STREAM, subject: DESCRIPTIONS };
        for await (const { seq, data } of orderedMessages(link, query, signal)) this.#take(seq, data);
      } catch (error) {
        if (signal.aborted) return;
        processLog("nats").warn("Cannot follow the artifacts, will try again: {error}", { error });
        await delay(1000, { signal }).catch(() => {});
      }
    }
  }

  #take(seq: number, data: Uint8Array): void {
    const entry = read(data);
    if (entry) {
      const [run, name] = split(entry.name);
      const artifacts = this.#runs.get(run) ?? new Map<string, Entry>();
      if (entry.deleted) artifacts.delete(name);
      else artifacts.set(name, entryOf(name, entry));
      if (artifacts.size === 0) this.#runs.delete(run);
      else this.#runs.set(run, artifacts);
    }
    this.#seen = Math.max(this.#seen, seq);
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }
}

type Description = z.infer<typeof Description>;

function entryOf(name: string, { name: object, nuid, size, chunks, digest, metadata }: Description): Entry {
  const sha256 = Buffer.from(digest.replace(/^SHA-256=/, ""), "base64url").toString("hex");
  const mode = Number(metadata?.["mode"] ?? USUAL_MODE) & 0o777;
  return { name, size, sha256, mode, chunks, object, subject: CHUNKS.replace("*", nuid) };
}

/** Undefined for what is no description: somebody else's doing. */
function read(data: Uint8Array): Description | undefined {
  try {
    const description = Description.parse(JSON.parse(new TextDecoder().decode(data)));
    decodeURI(description.name);
    return description;
  } catch {
    return undefined;
  }
}

/** `<run>/<name>`, see `objectName`. */
function split(object: string): [run: string, name: string] {
  const path = decodeURI(object);
  const at = path.indexOf("/");
  return [path.slice(0, at), path.slice(at + 1)];
}

function onAbort(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
