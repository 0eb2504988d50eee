import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { UnavailableError } from "../../lib/base/errors.ts";
import { askHelper } from "../../lib/docker/credential-helper.ts";
import type { RegistryLogin } from "../../lib/docker/docker.ts";
import { registryLogin } from "../../lib/docker/login.ts";
import { paced } from "../support/pace.ts";
import { until } from "../support/until.ts";

interface Configured extends AsyncDisposable {
  readonly folder: string;
  login(image: string): Promise<RegistryLogin | undefined>;
}

/** A folder of Docker's configuration, and helpers (shell scripts by name) on PATH. */
async function configured(config: unknown, helpers: Record<string, string> = {}): Promise<Configured> {
  const folder = await mkdtemp(join(tmpdir(), "docker-config-"));
  if (config !== undefined) {
    await writeFile(
      join(folder, "config.json"),
      typeof config === "string" ? config : JSON.stringify(config),
    );
  }
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const [name, script] of Object.entries(helpers)) {
    await program(join(bin, `docker-credential-${name}`), script);
  }
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  return {
    folder,
    login: (image) => registryLogin(image, { configFolder: folder, signal: new AbortController().signal }),
    async [Symbol.asyncDispose]() {
      process.env.PATH = path;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function program(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const HUB = "https://index.docker.io/v1/";

test("registryLogin reads the login for a registry out of the file", async () => {
  await using docker = await configured({
    auths: { "ghcr.io": { auth: base64("me:pass:word\0\0") }, "r.io:5000": { username: "u", password: "p" } },
  });
  assert.deepEqual(await docker.login("ghcr.io/a/b:1"), {
    username: "me",
    password: "pass:word",
    serverAddress: "ghcr.io",
  });
  assert.deepEqual(await docker.login("r.io:5000/x"), {
    username: "u",
    password: "p",
    serverAddress: "r.io:5000",
  });
  assert.equal(await docker.login("r.io/x"), undefined);
  assert.equal(await docker.login("debian"), undefined);
});

test("registryLogin knows Docker Hub under its old address", async () => {
  await using docker = await configured({ auths: { [HUB]: { auth: base64("me:secret") } } });
  assert.deepEqual(await docker.login("debian:12"), {
    username: "me",
    password: "secret",
    serverAddress: HUB,
  });
  assert.equal(await docker.login("index.evil.io/debian"), undefined);
});

test("registryLogin finds entries that are whole addresses", async () => {
  await using docker = await configured({ auths: { "https://ghcr.io/v1/": { auth: base64("me:x") } } });
  assert.equal((await docker.login("ghcr.io/a/b"))?.username, "me");
});

test("registryLogin takes an identity token before a password", async () => {
  await using docker = await configured({
    auths: { "r.io": { auth: base64("me:x"), identitytoken: "token" } },
  });
  assert.deepEqual(await docker.login("r.io/x"), { identityToken: "token", serverAddress: "r.io" });
});

test("registryLogin has none where the configuration says nothing usable", async () => {
  for (
    const config of [
      undefined,
      {},
      { auths: {} },
      { auths: { "r.io": {} } },
      { auths: { "r.io": null } },
      { auths: { "r.io": { auth: "" } } },
      { auths: { "r.io": { auth: base64("no colon") } } },
      { auths: null },
      { auths: { "r.io": { auth: 7 } } },
      { credsStore: "" },
    ]
  ) {
    await using docker = await configured(config);
    assert.equal(await docker.login("r.io/x"), undefined, JSON.stringify(config));
  }
});

test("registryLogin says which file is broken", async () => {
  await using docker = await configured("{");
  await assert.rejects(docker.login("r.io/x"), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.ok(error.message.includes(join(docker.folder, "config.json")));
    return true;
  });
});

test("registryLogin asks the registry's own helper before the one for all and before the file", async () => {
  const say = (user: string) =>
    `read -r server; echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"${user} $1 $server\\",\\"Secret\\":\\"s\\"}"`;
  await using docker = await configured({
    auths: { "r.io": { auth: base64("file:x") }, "q.io": { auth: base64("file:x") } },
    credsStore: "all",
    credHelpers: { "r.io": "own" },
  }, { all: say("all"), own: say("own") });
  assert.deepEqual(await docker.login("r.io/x"), {
    username: "own get r.io",
    password: "s",
    serverAddress: "r.io",
  });
  assert.equal((await docker.login("q.io/x"))?.username, "all get q.io");
  assert.equal((await docker.login("debian"))?.username, `all get ${HUB}`);
});

test("registryLogin takes a helper's token for what it is", async () => {
  await using docker = await configured({ credsStore: "t" }, {
    t: `echo '{"Username":"<token>","Secret":"abc"}'`,
  });
  assert.deepEqual(await docker.login("r.io/x"), { identityToken: "abc", serverAddress: "r.io" });
});

test("registryLogin has none where the helper has none", async () => {
  await using docker = await configured({ credsStore: "n" }, {
    n: "echo credentials not found in native keychain; exit 1",
  });
  assert.equal(await docker.login("r.io/x"), undefined);
});

for (
  const [what, script, message] of [
    [
      "fails",
      "echo the keychain is locked; exit 3",
      /docker-credential-h: exit code 3, the keychain is locked/,
    ],
    [
      "answers with something else",
      "echo hunter2",
      /docker-credential-h: it answered without Username and Secret/,
    ],
    ["answers with nothing", "exit 0", /docker-credential-h: it answered without/],
    [
      "answers with what is nested too deeply",
      `printf '[%.0s' $(seq 1 1000)`,
      /docker-credential-h: it answered without/,
    ],
  ] as const
) {
  test(`registryLogin names the helper that ${what}, and not what a secret might be in`, async () => {
    await using docker = await configured({ credsStore: "h" }, { h: script });
    await assert.rejects(docker.login("r.io/x"), (error) => {
      assert.ok(error instanceof UnavailableError);
      assert.match(error.message, message);
      assert.match(error.message, /"r\.io"/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });
}

test("registryLogin names the helper that is not there", async () => {
  await using docker = await configured({ credHelpers: { "r.io": "gone" } });
  await assert.rejects(docker.login("r.io/x"), {
    name: "UnavailableError",
    message: /docker-credential-gone/,
  });
});

test("registryLogin never runs a helper by a path", async () => {
  await using docker = await configured(undefined);
  const marker = join(docker.folder, "ran");
  await program(join(docker.folder, "docker-credential-x"), `touch ${marker}`);
  await writeFile(
    join(docker.folder, "config.json"),
    JSON.stringify({ credsStore: `x/../../${docker.folder}/docker-credential-x` }),
  );
  await assert.rejects(docker.login("r.io/x"), { name: "UnavailableError", message: /one word/ });
  await assert.rejects(readFile(marker), { code: "ENOENT" });
});

test("registryLogin never runs a helper out of the folder that we stand in", async () => {
  await using docker = await configured({ credsStore: "x" });
  const marker = join(docker.folder, "ran");
  await mkdir(join(docker.folder, "here/sub"), { recursive: true });
  for (const place of ["here", "here/sub"]) {
    await program(join(docker.folder, place, "docker-credential-x"), `touch ${marker}`);
  }
  const [path, cwd] = [process.env.PATH, process.cwd()];
  process.chdir(join(docker.folder, "here"));
  try {
    for (const relative of ["", ".", "sub", "./sub"]) {
      process.env.PATH = `${relative}:/usr/bin:/bin`;
      await assert.rejects(
        docker.login("r.io/x"),
        { name: "UnavailableError" },
        `PATH starts with "${relative}"`,
      );
    }
  } finally {
    process.chdir(cwd);
    process.env.PATH = path;
  }
  await assert.rejects(readFile(marker), { code: "ENOENT" });
});

test("askHelper ends a helper that takes too long with all that it has started, and names it", async () => {
  await using docker = await configured(undefined, {
    slow: `sleep 60 & echo $! > "$(dirname "$0")/pid"; wait`,
  });
  // Time for it to start.
  const timeoutMs = paced(400);
  const { signal } = new AbortController();
  const asking = askHelper("slow", { serverAddress: "r.io", signal, timeoutMs });
  await assert.rejects(asking, {
    name: "UnavailableError",
    message: new RegExp(`docker-credential-slow: Not finished after ${timeoutMs} ms`),
  });
  const pid = Number(await readFile(join(docker.folder, "bin/pid"), "utf8"));
  await until(() => !isAlive(pid), "what it has started has ended");
});

function isAlive(pid: number): boolean {
  try {
    // A process that nobody has waited for yet counts as ended.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("askHelper ends with the signal's reason", async () => {
  await using docker = await configured(undefined, { slow: `echo > "$(dirname $0)/started"; exec sleep 60` });
  const controller = new AbortController();
  const asking = askHelper("slow", { serverAddress: "r.io", signal: controller.signal });
  const reason = new Error("cancelled");
  const refused = assert.rejects(asking, reason);
  await until(() => existsSync(join(docker.folder, "bin/started")), "the helper runs");
  controller.abort(reason);
  await refused;
});
