import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { parseImageName } from "../../lib/docker/image-name.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

for (
  const [text, expected] of [
    ["debian", { registry: "docker.io", repository: "library/debian", tag: "latest" }],
    ["debian:12", { registry: "docker.io", repository: "library/debian", tag: "12" }],
    ["docker.io/debian", { registry: "docker.io", repository: "library/debian", tag: "latest" }],
    ["index.docker.io/owner/image", { registry: "docker.io", repository: "owner/image", tag: "latest" }],
    ["owner/image:v1_2.3-x", { registry: "docker.io", repository: "owner/image", tag: "v1_2.3-x" }],
    ["ghcr.io/cirruslabs/flutter:3.38.5", {
      registry: "ghcr.io",
      repository: "cirruslabs/flutter",
      tag: "3.38.5",
    }],
    ["localhost/x", { registry: "localhost", repository: "x", tag: "latest" }],
    ["localhost:5000/a/b/c", { registry: "localhost:5000", repository: "a/b/c", tag: "latest" }],
    ["[::1]:5000/x:1", { registry: "[::1]:5000", repository: "x", tag: "1" }],
    ["Build/x", { registry: "Build", repository: "x", tag: "latest" }],
    [`debian@${DIGEST}`, { registry: "docker.io", repository: "library/debian", digest: DIGEST }],
    [`r.io:5/x:1@${DIGEST}`, { registry: "r.io:5", repository: "x", tag: "1", digest: DIGEST }],
    ["a__b/c--d.e", { registry: "docker.io", repository: "a__b/c--d.e", tag: "latest" }],
  ] as const
) {
  test(`parseImageName takes "${text}" apart`, () => {
    assert.deepEqual(parseImageName(text), expected);
  });
}

for (
  const text of [
    "",
    ":1",
    "debian:",
    "debian:a b",
    `debian:${"x".repeat(129)}`,
    "Debian",
    "a//b",
    "../../info",
    "a/../b",
    "/a",
    "a/",
    "ghcr.io/",
    "https://ghcr.io/x",
    "-x/y",
    "x y",
    "x?fromSrc=-",
    "x\n",
    "debian@sha256:12",
    `debian@${DIGEST}@${DIGEST}`,
    "debian@",
    `${"a".repeat(300)}/b`,
    "..:80/x",
    "a.b:999999/x",
  ]
) {
  test(`parseImageName refuses ${JSON.stringify(text.slice(0, 40))} and names it`, () => {
    assert.throws(() => parseImageName(text), (error) => {
      assert.ok(error instanceof InputError);
      assert.ok(error.message.startsWith(`Invalid image "${text}": expected `), error.message);
      return true;
    });
  });
}
