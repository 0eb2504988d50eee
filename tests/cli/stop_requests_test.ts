import assert from "node:assert/strict";
import { test } from "node:test";
import { exitOfRun } from "../../lib/cli/shared/exit-of-run.ts";
import { ignoredSignals } from "../../lib/driver/program/stop/ignored-signals.ts";
import {
  STOP_SIGNALS,
  stopByDefect,
  stopByOutput,
  stopBySignal,
  type StopSignal,
} from "../../lib/driver/program/stop/stop.ts";
import { listenForStop } from "../../lib/driver/program/stop/stop-requests.ts";

/** Requests to stop, on a clock of the test's own. */
function listening(ignored: StopSignal[] = []) {
  const heard: string[] = [];
  const clock = { now: 1000 };
  const requests = listenForStop({
    onFirst: ({ verdict }) => heard.push(`first: ${verdict.message}`),
    onSecond: ({ exit }) => heard.push(`second: ${exit}`),
  }, { now: () => clock.now, ignored });
  return { heard, clock, requests };
}

test("listenForStop takes signals that arrive together for one, and a later one for an order", () => {
  const { heard, clock, requests } = listening();
  using _ = requests;
  process.emit("SIGTERM");
  clock.now += 80;
  process.emit("SIGTERM");
  assert.deepEqual(heard, ["first: Cancelled by SIGTERM"]);
  clock.now += 200;
  process.emit("SIGTERM");
  assert.deepEqual(heard, ["first: Cancelled by SIGTERM", "second: 143"]);
});

test("listenForStop takes another signal for an order", () => {
  const { heard, requests } = listening();
  using _ = requests;
  process.emit("SIGTERM");
  process.emit("SIGINT");
  assert.deepEqual(heard, ["first: Cancelled by SIGTERM", "second: 130"]);
});

test("listenForStop leaves alone what the process was started to ignore", () => {
  const { heard, requests } = listening(["SIGHUP"]);
  using _ = requests;
  process.emit("SIGHUP");
  assert.deepEqual(heard, []);
  process.emit("SIGTERM");
  assert.deepEqual(heard, ["first: Cancelled by SIGTERM"]);
});

test("listenForStop takes a reader that has gone away for a hang-up, and no second one for an order", () => {
  const { heard, requests } = listening();
  using _ = requests;
  requests.outputFailed(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  requests.outputFailed(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  assert.deepEqual(heard, ["first: Cancelled by SIGHUP"]);
  assert.equal(requests.first?.exit, 129);
  process.emit("SIGTERM");
  assert.deepEqual(heard.slice(1), ["second: 143"]);
});

test("listenForStop names what else keeps stdout from being written", () => {
  const { heard, requests } = listening();
  using _ = requests;
  requests.outputFailed(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
  assert.deepEqual(heard, ["first: Cancelled: Cannot write to stdout: No space left on device"]);
  assert.equal(requests.first?.exit, 3);
});

test("listenForStop hears nothing once it is disposed", () => {
  const { heard, requests } = listening();
  requests[Symbol.dispose]();
  for (const signal of STOP_SIGNALS) assert.equal(process.listenerCount(signal), 0);
  assert.deepEqual(heard, []);
});

test("ignoredSignals reads which signals this process was started to ignore", () => {
  const status = (mask: string) => `Name:\tbun\nSigBlk:\t0000000000000000\nSigIgn:\t${mask}\nSigCgt:\t00\n`;
  assert.deepEqual(ignoredSignals(STOP_SIGNALS, status("0000000000000000")), []);
  // SIGHUP is 1, SIGINT 2, SIGPIPE 13, SIGTERM 15.
  assert.deepEqual(ignoredSignals(STOP_SIGNALS, status("0000000001005001")), ["SIGTERM", "SIGHUP"]);
  assert.deepEqual(ignoredSignals(STOP_SIGNALS, status("8000000000001002")), ["SIGINT"]);
  assert.deepEqual(ignoredSignals(STOP_SIGNALS, ""), []);
});

const end = (outcome: Ended["outcome"], reason?: Ended["reason"]) =>
  ({ outcome, ...reason && { reason } }) as Ended;
type Ended = Parameters<typeof exitOfRun>[0];

test("exitOfRun tells a build that failed from a wrong spec, from what could not be reached, and from a timeout", () => {
  const failed = (reason?: Ended["reason"]) => exitOfRun(end("failed", reason));
  assert.deepEqual([failed(), failed("command-failed"), failed("invalid-spec")], [1, 1, 2]);
  assert.deepEqual([failed("docker-unreachable"), failed("transport-unreachable")], [3, 3]);
  assert.equal(exitOfRun(end("timed-out", "timeout")), 124);
});

test("exitOfRun tells a defect, a full stdout and each signal apart", () => {
  assert.equal(exitOfRun(end("cancelled", "cancelled"), stopBySignal("SIGHUP")), 129);
  assert.equal(exitOfRun(end("cancelled", "cancelled"), stopByOutput(new Error("full"))), 3);
  assert.equal(exitOfRun(end("cancelled", "cancelled")), 130);
  assert.equal(exitOfRun(end("failed", "defect")), 70);
  assert.equal(exitOfRun(end("succeeded"), stopByDefect(new Error("stray"))), 70);
  assert.equal(exitOfRun(end("succeeded"), stopBySignal("SIGINT")), 0);
});
