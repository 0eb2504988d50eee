import assert from "node:assert/strict";
import { needing } from "../support/needs.ts";
import { otlpReceiver } from "../support/otlp-receiver.ts";
import { linesOf, project } from "./run-project.ts";
import { flutterCi } from "./start-program.ts";

const { test } = needing("Docker");

test("run sends its trace, whose place the build is told in TRACEPARENT", async () => {
  await using receiver = await otlpReceiver();
  await using app = await project();
  const words = app.words("--json", "-c", "echo parent $TRACEPARENT", `${app.path}/repo`);
  const ended = await flutterCi(words, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SERVICE_NAME: "our-ci" },
  });
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stderr, "");
  const lines = linesOf(ended);
  const run = lines[0]?.run ?? "";
  const names = ["RUN flutter-builder", "builder", "container-start", "container-stop", "git-cloner"];
  assert.deepEqual(receiver.spans.map(({ name }) => name).toSorted(), names);
  const builder = receiver.spans.find(({ name }) => name === "builder");
  assert.equal(builder?.traceId, run.replaceAll("-", ""));
  assert.equal(builder?.resource["service.name"], "our-ci");
  const parent = lines.find(({ message }) => message?.startsWith("parent "))?.message;
  assert.equal(parent, `parent 00-${builder?.traceId}-${builder?.spanId}-01`);
});
