import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { gitTokenOf } from "../../lib/build/git/git-token.ts";
import { gitContainerName, idleName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { WORKSPACE } from "../../lib/build/plan.ts";
import { removeRun } from "../../lib/build/remove.ts";
import { waitForRoom } from "../../lib/build/room.ts";
import { sweep } from "../../lib/build/sweep.ts";
import { DockerError } from "../../lib/docker/docker.ts";
import { StopError } from "../../lib/driver/driver.ts";
import { asked as question } from "../support/asked.ts";
import { imageWithScript } from "../support/derived-image.ts";
import { hostileImage } from "../support/hostile-image.ts";
import { httpsRepository } from "../support/https-repository.ts";
import { TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { assertUnknownIn } from "../support/unknown-in.ts";
import { testPolicy } from "../support/settings.ts";
import { build, settings } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const TOKEN = "a-token-that-nobody-else-has";
const FILES = { "a.txt": "one\n" };
const policy = testPolicy({ allowNetworks: ["host"], gitTokens: { "127.0.0.1": TOKEN } });
const spec = { network: "host", depth: 0 };

const docker = (...args: string[]) => execFileSync("docker", args, { encoding: "utf8" });

test("git-cloner gives the operator's token to no image that the operator has not chosen", async () => {
  await using repository = await httpsRepository(FILES, { token: TOKEN });
  await build({ ...spec, repository: repository.url, image: repository.image }, async ({ step }) => {
    assert.ok((await step(containerStart, { policy })).result?.success);
    const { failure } = await step(gitCloner, { policy });
    assert.equal(failure?.reason, "invalid-spec");
    assert.match(
      failure?.message ?? "",
      /not given to the image .* expected --git-image IMAGE .* --allow-image/,
    );
    assert.deepEqual([...repository.logins], []);
    const allowed = { ...policy, allowImages: [repository.image] };
    assert.ok((await step(gitCloner, { policy: allowed })).result?.success);
  });
});

test("git-cloner clones with a token where neither the build's git nor its image's variables act", async () => {
  await using repository = await httpsRepository(FILES, { token: TOKEN });
  using image = hostileImage("env >/workspace/stolen; cat >>/workspace/stolen; exit 1", {
    GIT_SSL_NO_VERIFY: "1",
    BASH_ENV: "/evil",
    LD_PRELOAD: "/evil.so",
  });
  const chosen = { ...policy, gitImage: repository.image };
  const given = { ...spec, repository: repository.url, image: image.name, user: "games" };
  await build(given, async ({ step, idle: container }) => {
    assert.ok((await step(containerStart, { policy: chosen })).result?.success);
    const { result, lines } = await step(gitCloner, { policy: chosen });
    assert.ok(result?.success, lines.join("\n"));
    assert.equal(
      docker("exec", container, "sh", "-c", "stat -c '%U %n' * .git; cat a.txt").trim(),
      "games a.txt\ngames .git\none",
    );
    assertUnknownIn(container, TOKEN);
    assert.ok(lines.some((line) => line.includes(`a container of its own from ${repository.image}`)));
    assert.equal(
      docker("ps", "-aq", "--filter", `label=${LABELS.owner}=${settings.owner}`).trim().split("\n").length,
      1,
    );
  });
});

test("what a build's image runs by itself can tell git nothing while it clones with a token", async () => {
  await using repository = await httpsRepository(FILES, { token: TOKEN });
  // In the place of the process that keeps the container: a hook, by the configuration of the checkout.
  using image = imageWithScript(
    "/usr/local/bin/sleep",
    `trap '' TERM
mkdir /tmp/evil
printf '#!/bin/sh\\ncat /dev/shm/conveyor-git/* >/workspace/stolen\\n' >/tmp/evil/post-checkout
chmod -R 755 /tmp/evil
while :; do
  [ ! -f /workspace/.git/HEAD ] || [ -d /workspace/evil ] || {
    cp -r /tmp/evil /workspace/evil
    printf '[core]\\n\\thooksPath = /workspace/evil\\n' >>/workspace/.git/config
  }
done`,
    { image: repository.image },
  );
  const chosen = { ...policy, gitImage: repository.image };
  await build(
    { ...spec, repository: repository.url, image: image.name },
    async ({ step, idle: container }) => {
      assert.ok((await step(containerStart, { policy: chosen })).result?.success);
      const { result, failure } = await step(gitCloner, { policy: chosen });
      assert.ok(result?.success, failure?.message ?? "");
      assert.equal(docker("exec", container, "sh", "-c", "ls /workspace/stolen 2>/dev/null; true"), "");
      assertUnknownIn(container, TOKEN);
    },
  );
});

test("a clone that is cut off leaves its token nowhere, takes no slot and is removed by whoever comes next", async () => {
  await using repository = await httpsRepository(FILES, { token: TOKEN });
  await using client = testDocker();
  const chosen = { ...policy, allowImages: [repository.image] };
  const limits = { memory: "256m" };
  const given = { ...spec, repository: repository.url, image: repository.image, limits };
  const asked = repository.hang();
  await build(given, async ({ step, idle: container, run }) => {
    await step(containerStart, { policy: chosen });
    const cut = new AbortController();
    // A driver that is killed cleans up nothing: its calls of the daemon never return.
    const killed = { ...client, remove: () => new Promise<boolean>(() => {}) };
    const cloning = step(gitCloner, { policy: chosen, docker: killed, signal: cut.signal });
    cloning.catch(() => {});
    await asked;
    const name = gitContainerName(run);
    assert.equal((await client.inspect(name))?.state, "running");
    assertUnknownIn(container, TOKEN);
    assert.throws(() => assertUnknownIn(name, TOKEN));
    assert.doesNotMatch(docker("diff", name), /conveyor-git/);
    const { signal } = new AbortController();
    const host = { docker: client, settings: { ...settings, slots: 2 }, isHere: true, signal };
    const admits = await waitForRoom(question(host));
    assert.ok(admits, "the two containers of one run take one slot");

    // Another instance takes the step over.
    const again = new AbortController();
    const second = step(gitCloner, { policy: chosen, attempt: 2, signal: again.signal });
    const before = (await client.inspect(name))?.id;
    for (let now = before; now === before || now === undefined;) now = (await client.inspect(name))?.id;
    again.abort(new StopError("cancelled"));
    await assert.rejects(second, { name: "StopError" });
    assert.equal(await client.inspect(name), undefined);
    assert.equal((await client.inspect(container))?.state, "running");
    assertUnknownIn(container, TOKEN);
  });
});

test("what a killed driver left of a clone is removed by the sweep, and with its run", async () => {
  await using client = testDocker();
  const { owner } = settings;
  const leave = (run: string) => {
    const labels = ["owner", "run"].flatMap((
      name,
    ) => ["--label", `conveyor.${name}=${name === "run" ? run : owner}`]);
    docker(
      "run",
      "-d",
      "--name",
      gitContainerName(run),
      ...labels,
      TEST_IMAGE,
      "sleep",
      "600",
    );
  };
  await build({ repository: "https://git.example.org/app.git" }, async ({ step, run }) => {
    await step(containerStart);
    leave(run);
    const signal = new AbortController().signal;
    await sweep(client, { owner, isAlive: () => true, signal });
    assert.ok(await client.inspect(gitContainerName(run)));
    const stray = crypto.randomUUID();
    leave(stray);
    assert.deepEqual(await sweep(client, { owner, isAlive: (one) => one === run, signal }), [
      gitContainerName(stray),
    ]);
    assert.ok((await step(containerStop)).result?.success);
    assert.equal(await client.inspect(gitContainerName(run)), undefined);
    assert.equal(await client.inspect(idleName(run)), undefined);
  });
});

test("the sweep removes the volume of a run whose git container Docker could not remove at first", async () => {
  await using client = testDocker();
  const { owner } = settings;
  const { signal } = new AbortController();
  await build({ repository: "https://git.example.org/app.git" }, async ({ step, run, idle }) => {
    await step(containerStart);
    const volume = (await client.inspect(idle))?.volumes[WORKSPACE] ?? "";
    const labels = Object.entries(runLabels(owner, run)).flatMap((label) => ["--label", label.join("=")]);
    const mount = ["-v", `${volume}:${WORKSPACE}`];
    const git = gitContainerName(run);
    docker("run", "-d", "--name", git, ...labels, ...mount, TEST_IMAGE, "sleep", "600");
    const id = (await client.inspect(git))?.id;
    const busy = (one: string, options?: object) =>
      one === id
        ? Promise.reject(new DockerError("device or resource busy", { status: 500 }))
        : client.remove(one, options);
    await assert.rejects(removeRun({ ...client, remove: busy }, { owner, run, signal }), /busy/);
    await sweep(client, { owner, isAlive: (one) => one !== run, signal });
    assert.equal(await client.inspect(git), undefined);
    assert.equal(await client.inspect(idle), undefined);
    assert.equal(docker("volume", "ls", "-q", "--filter", `name=${volume}`), "");
  });
});

test("git-cloner gives a token to its own host only, in submodules too, and gets those that are named by ssh over https", async () => {
  const other = "another-token-of-another-host";
  await using library = await httpsRepository({ "lib.txt": "lib\n" }, { token: other, host: "localhost" });
  await using stranger = await httpsRepository({ "open.txt": "open\n" }, { host: "localhost" });
  await using repository = await httpsRepository(FILES, {
    token: TOKEN,
    submodules: [
      { path: "library", ...library },
      { path: "stranger", ...stranger },
      { path: "again", url: "git@127.0.0.1:app.git" },
    ],
  });
  const given = { ...spec, repository: repository.url, image: repository.image, submodules: true };
  const tokens = { ...policy, gitTokens: {}, gitImage: repository.image };
  const own = {
    secrets: { [gitTokenOf("127.0.0.1")]: TOKEN, [gitTokenOf(new URL(library.url).host)]: other },
  };
  await build(given, async ({ step, idle: container }) => {
    await step(containerStart, { policy: tokens });
    const { result, lines, failure } = await step(gitCloner, { policy: tokens, ...own });
    assert.ok(result?.success, `${failure?.message}\n${lines.join("\n")}`);
    assert.equal(
      docker("exec", container, "cat", "library/lib.txt", "stranger/open.txt", "again/a.txt"),
      "lib\nopen\none\n",
    );
    const basic = (token: string) => `Basic ${btoa(`x-access-token:${token}`)}`;
    assert.deepEqual(repository.logins, new Set([undefined, basic(TOKEN)]));
    assert.deepEqual(library.logins, new Set([undefined, basic(other)]));
    assert.deepEqual(stranger.logins, new Set([undefined]));
  });
});
