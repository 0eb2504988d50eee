import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { testDriver } from "conveyor-drivers/testing";
import { notify } from "./notify.ts";

test("notify tells the chat what has failed, with its token", async () => {
  const calls: { authorization: string | undefined; body: string }[] = [];
  const chat = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    calls.push({ authorization: request.headers.authorization, body });
    response.end();
  }).listen(0, "127.0.0.1");
  await once(chat, "listening");
  const address = chat.address();
  const hook = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/hook`;

  const { success, message, log } = await testDriver(notify, {
    spec: { hook },
    results: { builder: { success: false, message: "make exited with 2" } },
    secrets: { CHAT_TOKEN: "a-token" },
  });
  chat.close();
  assert.ok(success, message);
  assert.deepEqual(calls, [{ authorization: "Bearer a-token", body: '{"text":"app failed in builder"}' }]);
  assert.deepEqual(log.map(({ message }) => message), ["Telling the team: app failed in builder"]);
});

test("notify wants the address of a hook", async () => {
  const { success, reason, message } = await testDriver(notify, { spec: { hook: "chat" } });
  assert.deepEqual([success, reason], [false, "invalid-spec"]);
  assert.match(message, /^spec\.drivers\.notify\.hook: invalid URL, got "chat"$/);
});
