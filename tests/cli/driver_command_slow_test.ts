import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { answered } from "./answered.ts";
import { flutterCi, root, runtime, startProgram, temporaryFolder } from "./start-program.ts";

const DRIVERS = ["builder", "container-start", "container-stop", "git-cloner"];

test("a driver says where it looked for its broker, alone and as a subcommand", async () => {
  for (const name of DRIVERS) {
    const env = { CONVEYOR_RUNTIME: runtime };
    const flags = ["--nats", "nats://127.0.0.1:1", "--wait", "0"];
    const own = await startProgram(join(root, "bin", name), flags, { env }).ended;
    const { code, stdout, stderr } = await flutterCi([name, ...flags]);
    assert.deepEqual({ code, stdout }, { code: 3, stdout: "" }, stderr);
    assert.match(stderr, /^error: Cannot connect to NATS at "nats:\/\/127\.0\.0\.1:1": /m);
    assert.deepEqual(own, { code, stdout, stderr });
  }
});

test("a driver refuses bad values before anything else, by flag and by variable", async () => {
  const cases = [
    [
      ["--concurrency", "0"],
      {},
      /^error: --concurrency: Invalid number "0": expected a whole number, 1 or more\n$/,
    ],
    [[], { CONVEYOR_ACK_WAIT: "soon" }, /^error: CONVEYOR_ACK_WAIT: Invalid duration "soon": expected /],
    [["--min-free", "lots"], {}, /^error: --min-free: Invalid size "lots"/],
    [["--nats", "http://x"], {}, /^error: --nats: Invalid URL "http:\/\/x"/],
    [["--resource", "a.b"], {}, /^error: --resource: Invalid name "a\.b"/],
    [["--health", "9090"], {}, /^error: --health: Invalid address "9090"/],
    [
      ["--log-level", "loud"],
      {},
      /^error: --log-level: Invalid value "loud": expected debug, info, warn or error/,
    ],
    [
      ["--nats-user", "me"],
      {},
      /^error: The flag --nats-user was given without --nats-password-file: expected both/,
    ],
    [[], { CONVEYOR_TLS_KEY: "/x" }, /^error: The flag --tls-key was given without --tls-cert/],
    [
      ["--token-file", "/nonexistent/token"],
      {},
      /^error: --token-file: Cannot read "\/nonexistent\/token": ENOENT/,
    ],
    [["--git-token", "host=/nonexistent/t"], {}, /^error: --git-token: Cannot read "\/nonexistent\/t"/],
    [
      ["--git-known-hosts", "/nonexistent/k"],
      {},
      /^error: --git-known-hosts: Cannot read "\/nonexistent\/k"/,
    ],
    [
      ["--verify-signatures", "/nonexistent/k"],
      {},
      /^error: --verify-signatures: Cannot read "\/nonexistent\/k"/,
    ],
    [["--ca", "/nonexistent/ca"], {}, /^error: --ca: Cannot read "\/nonexistent\/ca"/],
    [["--git-image", "Debian"], {}, /^error: --git-image: /],
    [
      ["--git-well-known-hosts", "x"],
      {},
      /^error: --git-well-known-hosts: Invalid value "x": expected on or off/,
    ],
  ] as const;
  for (const [words, env, expected] of cases) {
    const given = ["builder", ...words];
    // Variables are those of a program.
    const isOfProgram = words.length === 0;
    const { code, stdout, stderr } = isOfProgram ? await flutterCi(given, { env }) : await answered(given);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, expected);
  }
});

test("a driver takes the files it is given, one token for a host", async () => {
  await using folder = await temporaryFolder();
  const token = join(folder.path, "token");
  await writeFile(token, "secret\n");
  const words = ["builder", "--wait", "0", "--token-file", token, "--git-token", `a.example=${token}`];
  const without = await flutterCi(words);
  assert.equal(without.code, 3);
  assert.match(without.stderr, /--git-token are given to no build: .* --git-image, or .* --allow-image/);
  assert.doesNotMatch(
    (await flutterCi([...words, "--git-image", "debian:12"])).stderr,
    /are given to no build/,
  );
  const twice = await flutterCi([...words, "--git-token", `A.example=${token}`]);
  assert.equal(twice.code, 2);
  assert.match(twice.stderr, /Two tokens for "a\.example": expected one/);
});
