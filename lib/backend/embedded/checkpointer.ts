import { Worker } from "node:worker_threads";
import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";

/**
 * Copies a database's log into the database in a thread of its own: that waits for the disk, and would keep
 * this process from anything else meanwhile. The thread is started when it is first needed.
 */
export class Checkpointer implements Disposable {
  readonly #path: string;
  #worker: Worker | undefined;
  #isRunning = false;
  #isBroken = false;

  constructor(path: string) {
    this.#path = path;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Starts a checkpoint unless one is running. Returns false if there can be no such thread. */
  start(): boolean {
    if (this.#isBroken || this.#isRunning) return !this.#isBroken;
    this.#isRunning = true;
    try {
      this.#worker ??= this.#started();
      this.#worker.postMessage("checkpoint");
    } catch (error) {
      this.#breakDown(error);
    }
    return !this.#isBroken;
  }

  [Symbol.dispose](): void {
    this.#isBroken = true;
    // A checkpoint that is cut off is repeated by the next process.
    this.#worker?.terminate().catch(() => {});
  }

  #started(): Worker {
    const worker = new Worker(SOURCE, { eval: true, workerData: { path: this.#path, most: MOST_PASSES } });
    worker.on("message", () => this.#isRunning = false);
    worker.on("error", (error) => this.#breakDown(error));
    worker.unref();
    return worker;
  }

  #breakDown(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#isRunning = false;
    processLog("backend").debug("Cannot write back the log in a thread: {error}", {
      error: messageOf(error),
    });
  }
}

/** What is written during one pass is left to the next, which takes far less time. */
const MOST_PASSES = 5;

/**
 * The thread's program, as text, since a program that is compiled to one file has no other file to start. It opens
 * the database for each checkpoint only: while it is open, nobody else can be the last to close it. An error
 * leaves the log as it is; the next checkpoint finds it.
 */
const SOURCE = `
const { parentPort, workerData: { path, most } } = require("node:worker_threads");
const { DatabaseSync } = require("node:sqlite");
parentPort.on("message", () => {
  try {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA busy_timeout = 1000; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
      const pass = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
      for (let i = 0; i < most; i++) {
        const { log, checkpointed } = pass.get();
        if (log === checkpointed) break;
      }
    } finally {
      database.close();
    }
  } catch {}
  parentPort.postMessage("done");
});
`;
