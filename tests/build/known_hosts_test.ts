import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { InputError } from "../../lib/base/errors.ts";
import { knownHosts, parseKnownHosts } from "../../lib/build/git/known-hosts.ts";
import { WELL_KNOWN_HOSTS } from "../../lib/build/git/well-known-hosts.ts";

const KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

/** As the hosts publish them: docs.github.com, docs.gitlab.com, support.atlassian.com. */
const PUBLISHED = [
  "github.com +DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
  "github.com p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
  "github.com uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
  "gitlab.com eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
  "gitlab.com HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
  "gitlab.com ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
  "bitbucket.org ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
  "bitbucket.org FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
  "bitbucket.org 46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
];

test("WELL_KNOWN_HOSTS has the keys whose fingerprints the hosts publish", () => {
  const fingerprints = WELL_KNOWN_HOSTS.map((line) => {
    const [host, , key = ""] = line.split(" ");
    return `${host} ${createHash("sha256").update(key, "base64").digest("base64").replace(/=+$/, "")}`;
  });
  assert.deepEqual(fingerprints, PUBLISHED);
  assert.deepEqual(parseKnownHosts(WELL_KNOWN_HOSTS.join("\n")), WELL_KNOWN_HOSTS);
});

test("parseKnownHosts takes every form of a line that ssh writes", () => {
  const lines = [
    `git.example.org ssh-ed25519 ${KEY}`,
    `git.example.org,192.0.2.7 ssh-ed25519 ${KEY} a comment`,
    `[git.example.org]:2222 ssh-ed25519 ${KEY}`,
    `*.example.org,!bad.example.org ssh-ed25519 ${KEY}`,
    `@cert-authority *.example.org ssh-ed25519 ${KEY}`,
    `@revoked * ssh-ed25519 ${KEY}`,
    `|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 ${KEY}`,
  ];
  assert.deepEqual(parseKnownHosts(`# a comment\n\n${lines.join("\r\n")}\n`), lines);
});

test("parseKnownHosts names the first line that is no entry, and what was expected", () => {
  const wrong: [string, RegExp][] = [
    ["git.example.org", /no type of a key/],
    ["git.example.org ssh-ed25519", /key is not of type ssh-ed25519/],
    [`git.example.org ssh-rsa ${KEY}`, /key is not of type ssh-rsa/],
    [`git.example.org ssh-ed25519 ${KEY.slice(0, -3)}`, /key is not of type ssh-ed25519/],
    [`@trusted git.example.org ssh-ed25519 ${KEY}`, /marker is unknown/],
    ["-----BEGIN OPENSSH PRIVATE KEY-----", /no type of a key|not of type OPENSSH|begins with no host/],
    [`$(id) ssh-ed25519 ${KEY}`, /begins with no host name/],
  ];
  for (const [line, why] of wrong) {
    assert.throws(() => parseKnownHosts(`# fine\n${line}\n`), (error) => {
      assert.ok(error instanceof InputError, line);
      assert.match(error.message, /^Line 2 is no entry/);
      assert.match(error.message, why, line);
      return true;
    });
  }
});

test("knownHosts lets the operator's lines for a host replace the built-in ones, or all of them", () => {
  const own = [`github.com,192.0.2.1 ssh-ed25519 ${KEY}`];
  const lines = knownHosts(own, { wellKnown: true }).split("\n");
  assert.deepEqual(lines.filter((line) => line.startsWith("github.com")), own);
  assert.equal(lines.filter((line) => line.startsWith("gitlab.com ")).length, 3);
  assert.equal(knownHosts(own, { wellKnown: false }), own[0]);
  assert.equal(knownHosts([], { wellKnown: false }), "");
});
