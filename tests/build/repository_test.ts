import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { checkRef, parseRepository } from "../../lib/build/repository.ts";

const REFUSED = [
  "",
  "-oProxyCommand=id",
  "--upload-pack=touch /tmp/x",
  "ext::sh -c id",
  "EXT::sh -c id",
  "Ext::sh",
  "file:///etc",
  "FILE:///etc",
  "http://example.org/a.git",
  "git://example.org/a.git",
  "ftp://example.org/a.git",
  "https://",
  "ssh://-oProxyCommand=id/x",
  "https://user:secret@example.org/a.git",
  "https://token@example.org/a.git",
  "https://example.org/a\nb",
  "a\0b",
];

test("parseRepository refuses whatever makes git do more than fetch from a server", () => {
  for (const text of REFUSED) assert.throws(() => parseRepository(text), InputError, text);
});

test("parseRepository never shows the credentials of a URL that it refuses", () => {
  assert.throws(() => parseRepository("https://user:hunter2@example.org/a.git"), (error: Error) => {
    assert.doesNotMatch(error.message, /hunter2/);
    assert.match(error.message, /--git-token/);
    return true;
  });
});

test("parseRepository tells https, ssh and local paths apart", () => {
  assert.deepEqual(parseRepository("https://example.org/a.git"), {
    kind: "remote",
    url: "https://example.org/a.git",
    protocol: "https",
    host: "example.org",
  });
  assert.deepEqual(parseRepository("git@example.org:team/a.git"), {
    kind: "remote",
    url: "git@example.org:team/a.git",
    protocol: "ssh",
    host: "example.org",
  });
  for (const path of [".", "/srv/a.git", "./a:b", "../x", "folder"]) {
    assert.deepEqual(parseRepository(path), { kind: "local", path });
  }
});

test("checkRef refuses what git refuses and what it would take for an option", () => {
  for (
    const ref of [
      "",
      "-x",
      "--upload-pack=id",
      "a..b",
      "a b",
      "a~1",
      "a^",
      "a:b",
      "a\\b",
      "@",
      "a.lock",
      "/a",
      "a/",
      "a//b",
      ".a",
      "a/.b",
      "a@{1}",
      "a\nb",
      "a*",
    ]
  ) {
    assert.throws(() => checkRef(ref), InputError, JSON.stringify(ref));
  }
  for (const ref of ["main", "v1.2.3", "feature/ü", "refs/pull/1/head", "0a1b2c3", "a-b"]) checkRef(ref);
});
