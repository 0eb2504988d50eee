import assert from "node:assert/strict";
import { test } from "node:test";
import { Retryable } from "../../lib/base/errors.ts";
import type { Docker } from "../../lib/docker/docker.ts";
import { quiet, until } from "../support/until.ts";
import { UPGRADED } from "./fake-daemon.ts";
import { docked, execWith, type Handle, silent, text } from "./stage.ts";

for (
  const [what, send] of [
    [
      "exec",
      (docker: Docker, stdin: AsyncIterable<Uint8Array>) => docker.exec("abc", { command: ["x"], stdin }),
    ],
    ["copyIn", (docker: Docker, tar: AsyncIterable<Uint8Array>) => docker.copyIn("abc", "/", tar)],
  ] as const
) {
  test(`${what} takes no more of what it sends than the daemon reads`, async () => {
    const handle: Handle = (request, daemon) => {
      if (request.line.endsWith("/exec")) execWith(silent)(request, daemon);
      else request.socket.pause();
      if (request.line.endsWith("/start")) request.socket.write(UPGRADED);
    };
    await docked(handle, async (docker, daemon) => {
      let pieces = 0;
      const source = (async function* () {
        for (; pieces < 1000; pieces++) yield new Uint8Array(65_536);
      })();
      const sending = Promise.resolve(send(docker, source)).then((sent) => sent?.output && text(sent.output));
      const failed = assert.rejects(sending, Retryable);
      await until(() => pieces > 0, "the first piece is sent");
      // All of it would be sent, if nothing held it back.
      await quiet(() => pieces);
      assert.ok(pieces < 100, `${pieces} pieces`);
      await daemon.die();
      await failed;
    });
  });
}
