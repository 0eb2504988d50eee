import { Worker } from "node:worker_threads";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import { isWithin } from "../../base/signals.ts";

/** The part of a worker that is used here. */
export interface CheckpointThread {
  on(event: "message" | "error" | "exit", listener: (value: unknown) => void): unknown;
  postMessage(message: unknown): void;
  terminate(): Promise<unknown>;
  unref(): void;
}

export type StartThread = (path: string) => CheckpointThread;

export interface CheckpointerOptions {
  /** Called after each checkpoint that has copied what the log held when its last pass began. */
  readonly copied?: () => void;
  readonly startThread?: StartThread | undefined;
}

/**
 * Copies a database's log into the database in a thread of its own: that waits for the disk, and would keep
 * this process from anything else meanwhile. The thread is started when it is first needed.
 */
export class Checkpointer implements AsyncDisposable {
  readonly #path: string;
  readonly #copied: () => void;
  readonly #startThread: StartThread;
  #thread: CheckpointThread | undefined;
  /** Resolves at the end of the running checkpoint. */
  #running: PromiseWithResolvers<void> | undefined;
  #isBroken = false;

  constructor(path: string, { copied = () => {}, startThread = startWorker }: CheckpointerOptions = {}) {
    this.#path = path;
    this.#copied = copied;
    this.#startThread = startThread;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Starts a checkpoint unless one is running. Returns false if there can be no such thread. */
  start(): boolean {
    if (this.#isBroken || this.#running) return !this.#isBroken;
    this.#running = Promise.withResolvers();
    try {
      this.#thread ??= this.#started();
      this.#thread.postMessage("checkpoint");
    } catch (error) {
      this.#breakDown(messageOf(error));
    }
    return !this.#isBroken;
  }

  /**
   * Ends the thread. Waits for a running checkpoint first, a few seconds at most: one that is cut off is
   * repeated by the next process.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isBroken = true;
    if (this.#running) await isWithin(this.#running.promise, MOST_WAIT_MS);
    this.#thread?.terminate().catch(() => {});
  }

  #started(): CheckpointThread {
    const thread = this.#startThread(this.#path);
    thread.on("message", (isCopied) => this.#end(isCopied === true));
    thread.on("error", (error) => this.#breakDown(messageOf(error)));
    thread.on("exit", () => this.#breakDown("the thread has ended"));
    thread.unref();
    return thread;
  }

  #end(isCopied: boolean): void {
    this.#running?.resolve();
    this.#running = undefined;
    if (isCopied && !this.#isBroken) this.#copied();
  }

  #breakDown(error: string): void {
    this.#end(false);
    if (this.#isBroken) return;
    this.#isBroken = true;
    processLog("backend").debug("Cannot write back the log in a thread: {error}", { error });
  }
}

function startWorker(path: string): CheckpointThread {
  return new Worker(CHECKPOINT_PROGRAM, { eval: true, workerData: { path, most: MOST_PASSES } });
}

/** What is written during one pass is left to the next, which takes far less time. */
const MOST_PASSES = 5;
/** How long the end of this process waits for a checkpoint. */
const MOST_WAIT_MS = 5000;

/**
 * The thread's program, as text, since a program that is compiled to one file has no other file to start. It
 * opens the database for each checkpoint only: while it is open, nobody else can be the last to close it. It
 * ends once a pass finds a log no longer than the pass before did. It answers whether a pass came through; an
 * error leaves the log as it is, and the next checkpoint finds it.
 */
export const CHECKPOINT_PROGRAM = `
const { parentPort, workerData: { path, most } } = require("node:worker_threads");
const { DatabaseSync } = require("node:sqlite");
parentPort.on("message", () => {
  let isCopied = false;
  try {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA busy_timeout = 1000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
      const pass = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
      for (let i = 0, before = -1; i < most; i++) {
        const { busy, log } = pass.get();
        if (busy) break;
        isCopied = true;
        if (log === before) break;
        before = log;
      }
    } finally {
      database.close();
    }
  } catch {}
  parentPort.postMessage(isCopied);
});
`;
