import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { shownUrl } from "../../lib/base/shown-url.ts";
import { parseRepository } from "../../lib/build/repository.ts";
import { brokerUrls, hostFile, httpUrl, secretName } from "../../lib/driver/program/command-line/values.ts";
import { parseEndpoint } from "../../lib/docker/parse-endpoint.ts";

/** Passwords as people type them, without encoding anything. */
const PASSWORDS = [
  "hunter2",
  "hun@ter2",
  "hunter/2",
  "hunter#2",
  "12#hunter",
  "12/hunter",
  "hun?ter2",
  "h:unter",
  "hunter,2",
];

function messageFrom(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "nothing was refused";
}

test("shownUrl leaves out credentials, queries and fragments, and nothing else", () => {
  assert.equal(shownUrl("https://git.example.com/app.git"), "https://git.example.com/app.git");
  assert.equal(shownUrl("https://token@git.example.com/app"), "https://…@git.example.com/app");
  assert.equal(shownUrl("https://git.example.com/app?access_token=x"), "https://git.example.com/app?…");
  assert.equal(shownUrl("https://git.example.com/app#x"), "https://git.example.com/app#…");
  assert.equal(shownUrl("ssh://git@git.example.com/app"), "ssh://git@git.example.com/app");
  assert.equal(shownUrl("git@git.example.com:app.git"), "git@git.example.com:app.git");
  assert.equal(shownUrl("../app"), "../app");
  for (const password of PASSWORDS) {
    assert.equal(shownUrl(`https://me:${password}@host/x`), "https://…@host/x");
    assert.equal(shownUrl(`me:${password}@host/x`), "…@host/x");
  }
});

test("a URL with a password or a token in it is refused everywhere, and not shown", async () => {
  for (const password of PASSWORDS) {
    const refusals = [
      messageFrom(() => parseRepository(`https://me:${password}@host.invalid/x`)),
      messageFrom(() => parseRepository(`https://${password}@host.invalid/x`)),
      messageFrom(() => parseRepository(`ssh://me:${password}@host.invalid/x`)),
      messageFrom(() => httpUrl(`http://me:${password}@127.0.0.1:8080`)),
      messageFrom(() => brokerUrls(`nats://me:${password}@127.0.0.1:4222`)),
      messageFrom(() => brokerUrls(`me:${password}@127.0.0.1:4222`)),
      await parseEndpoint(`tcp://me:${password}@host:2375`, async () => await undefined).then(
        () => "nothing was refused",
        (error) => error.message,
      ),
    ];
    for (const message of refusals) {
      assert.match(message, /^Invalid .*: expected /s, password);
      assert.doesNotMatch(message, /hun|unter/, password);
    }
  }
});

test("a token in a URL's query is refused, and not shown", () => {
  const refusals = [
    messageFrom(() => parseRepository("https://host.invalid/x.git?access_token=hunter2")),
    messageFrom(() => httpUrl("http://127.0.0.1:8080?access_token=hunter2")),
    messageFrom(() => brokerUrls("nats://127.0.0.1:4222?token=hunter2")),
  ];
  for (const message of refusals) {
    assert.match(message, /^Invalid .*: expected /s);
    assert.doesNotMatch(message, /hunter2/);
  }
});

test("brokerUrls names the flag for what it found in the URL: a token, or a user with a password", () => {
  assert.match(
    messageFrom(() => brokerUrls("nats://s3cr3t@h:4222")),
    /"nats:\/\/…@h:4222".*--nats-token-file$/,
  );
  assert.match(messageFrom(() => brokerUrls("nats://me:pw@h:4222")), /--nats-user and --nats-password-file/);
});

test("flags that take the name of a secret's place do not show the secret that was typed instead", () => {
  const token = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
  assert.doesNotMatch(messageFrom(() => hostFile(token)), /0123456789/);
  assert.doesNotMatch(messageFrom(() => secretName(`TOKEN=${token}`)), /0123456789/);
});
