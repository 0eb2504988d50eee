import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import type { LogLine } from "../../lib/engine/core/events.ts";
import { leavesNothing } from "../support/left-as-it-was.ts";
import { makePlace, startRun } from "../support/start-run.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

/** Lines on each of the two streams. */
const LINES = 100_000;
/** On both streams at once; the last line of each has no newline. */
const PRINTS = `awk 'BEGIN {
  for (i = 1; i <= ${LINES}; i++) { print "out", i; print "err", i > "/dev/stderr" }
  printf "last of out"; printf "last of err" > "/dev/stderr"
}'`;

/**
 * Takes lines one after the other, finds each number where it belongs, and remembers all of them in a few
 * bytes.
 */
class Checker {
  readonly #hash = createHash("sha256");
  readonly #next = { stdout: 1, stderr: 1, system: 1 };
  readonly last = { stdout: "", stderr: "", system: "" };
  count = 0;

  take({ seq, stream, message }: Pick<LogLine, "seq" | "stream" | "message">): void {
    assert.equal(seq, ++this.count);
    this.#hash.update(`${stream} ${message}\n`);
    this.last[stream] = message;
    const number = /^(?:out|err) (\d+)$/.exec(message)?.[1];
    if (number !== undefined) assert.equal(Number(number), this.#next[stream]++);
  }

  digest(): string {
    assert.deepEqual([this.#next.stdout, this.#next.stderr], [LINES + 1, LINES + 1]);
    return this.#hash.digest("hex");
  }
}

test("run shows every line of both streams, once and in order, and history keeps them like that", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const live = new Checker();
    const failures: unknown[] = [];
    const onLine = (line: LogLine) => {
      try {
        if (failures.length === 0) live.take(line);
      } catch (error) {
        failures.push(error);
      }
    };
    const ended = await startRun(place, ["-c", PRINTS], { onLine }).ended;
    assert.equal(ended.exit, 0, ended.stderr);
    assert.deepEqual(failures, []);
    assert.deepEqual([live.last.stdout, live.last.stderr], ["last of out", "last of err"]);
    assert.equal(ended.end?.lines, live.count);

    const replayed = new Checker();
    await using store = await openHistory(place.data("data"));
    for await (const { firstSeq, lines } of store.logs.read(ended.end.run)) {
      for (const [i, { message, stream = "system" }] of lines.entries()) {
        replayed.take({ seq: firstSeq + i, stream, message });
      }
    }
    assert.equal(replayed.count, live.count);
    assert.equal(replayed.digest(), live.digest());
  });
});
