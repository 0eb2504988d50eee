import assert from "node:assert/strict";
import { test } from "node:test";
import { originOf } from "../../lib/build/git/origin.ts";

const origin = (entries: Record<string, string>, ref = "refs/heads/main") =>
  originOf(Object.entries(entries), ref);

test("originOf is the remote of the current branch, else the one that is called origin", () => {
  const two = { "remote.origin.url": "https://a.example/x.git", "remote.up.url": "git@b.example:team/x.git" };
  assert.equal(origin(two), "https://a.example/x.git");
  assert.equal(origin({ ...two, "branch.main.remote": "up" }), "git@b.example:team/x.git");
  assert.equal(origin({ ...two, "branch.main.remote": "up" }, "HEAD"), "https://a.example/x.git");
  assert.equal(origin({}), undefined);
});

test("originOf leaves out credentials, and whatever is no https or ssh URL", () => {
  assert.equal(
    origin({ "remote.origin.url": "https://me:hunter2@a.example/x.git" }),
    "https://a.example/x.git",
  );
  assert.equal(origin({ "remote.origin.url": "ssh://git:hunter2@a.example/x" }), "ssh://git@a.example/x");
  for (const url of ["/srv/x.git", "../x", "file:///srv/x", "ext::sh -c id", "http://a.example/x", "-u"]) {
    assert.equal(origin({ "remote.origin.url": url }), undefined, url);
  }
});

test("originOf leaves out the user of an https URL, and keeps the one of an ssh URL", () => {
  const of = (url: string) => origin({ "remote.origin.url": url });
  assert.equal(of("https://token@a.example/x.git"), "https://a.example/x.git");
  assert.equal(of("https://:hunter2@a.example/x.git"), "https://a.example/x.git");
  assert.equal(of("ssh://git@a.example/x"), "ssh://git@a.example/x");
});
