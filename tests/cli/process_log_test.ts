import assert from "node:assert/strict";
import { test } from "node:test";
import { processLog } from "../../lib/base/log.ts";
import { startProcessLog } from "../../lib/driver/program/command-line/process-log.ts";

test("startProcessLog writes a line a record, from its level on, as text", () => {
  const lines: string[] = [];
  startProcessLog({ level: "warn", format: "text", write: (line) => lines.push(line) });
  const log = processLog("backend");
  log.info("quiet");
  log.warn("Lost {what}: {error}", { what: "a connection", error: new Error("socket hang up") });
  log.error("Tried {count} times: {why}", { count: 3, why: "a\x1b[2Jbuild's text" });
  assert.equal(lines.length, 2);
  assert.match(
    lines[0] ?? "",
    /^\d{4}-\d\d-\d\dT[\d:.]+Z warn {2}backend: Lost a connection: socket hang up\n$/,
  );
  assert.match(lines[1] ?? "", / error backend: Tried 3 times: a␛\[2Jbuild's text\n$/);
});

test("startProcessLog writes JSON objects with the facts as fields", () => {
  const lines: string[] = [];
  startProcessLog({ level: "debug", format: "json", write: (line) => lines.push(line) });
  processLog("docker").debug("Pulled {image}", {
    image: "debian:12",
    error: new Error("no", { cause: new Error("why") }),
  });
  const { time, ...record } = JSON.parse(lines.join(""));
  assert.deepEqual(record, {
    level: "debug",
    room: "docker",
    message: "Pulled debian:12",
    image: "debian:12",
    error: "no: why",
  });
  assert.match(time, /^\d{4}-\d\d-\d\dT/);
});
