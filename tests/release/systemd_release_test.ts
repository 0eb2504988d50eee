import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { containerName } from "../../lib/build/labels.ts";
import { root, runtime, startProgram, temporaryFolder } from "../cli/start-program.ts";
import { makeOperator } from "../support/nats-operator.ts";
import { freePort, startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { DOCKER_SOCKET, ownImageName } from "../support/step-context.ts";
import { commandsOfPage, serviceScriptOf } from "./install-page.ts";
import { run } from "./made-release.ts";

/** Debian with systemd, which `scripts/test` makes. */
const IMAGE = "conveyor-systemd:bookworm";
const { test } = needing("Docker", "broker", whyNotMade);

function whyNotMade(): string | false {
  if (runtime === "deno") return "What a release holds does not depend on the runtime of its tests";
  if (!existsSync(join(root, ".tools/runtimes"))) {
    return "scripts/test has not fetched what a release is made of";
  }
  return spawnSync("docker", ["image", "inspect", IMAGE]).status !== 0 &&
    `scripts/test has not made ${IMAGE}`;
}

/**
 * A machine whose first process is systemd, on this one's network, with this one's Docker, and a release in
 * /release.
 */
async function bootMachine(folder: string) {
  const image = ownImageName();
  await run("docker", ["tag", IMAGE, image]);
  const name = `systemd-${randomUUID()}`;
  const gone = async () => {
    await run("docker", ["rm", "-f", name]);
    await run("docker", ["rmi", "-f", image]);
  };
  try {
    await run("docker", [
      ...[
        "run",
        "-d",
        "--name",
        name,
        "--network",
        "host",
        "--cap-add",
        "SYS_ADMIN",
        "--cgroupns",
        "private",
      ],
      ...["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"],
      ...["--tmpfs", "/run", "--tmpfs", "/run/lock", "--env", "container=docker"],
      ...[
        "--volume",
        `${folder}:/release:ro`,
        "--volume",
        `${DOCKER_SOCKET}:/docker.sock`,
        image,
        "sh",
        "-c",
      ],
      // systemd expects these mounts to be writable, and those that it makes to be seen everywhere.
      "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,rw $d 2>/dev/null; done; mount --make-rshared /; exec /lib/systemd/systemd",
    ]);
    const inside = (...words: string[]) => run("docker", ["exec", name, ...words]);
    // Waits for it. A unit that failed since this is a container is nothing to us.
    await inside(
      "sh",
      "-c",
      "until [ -S /run/systemd/private ]; do sleep 0.1; done; systemctl is-system-running --wait || :",
    );
    return { name, inside, [Symbol.asyncDispose]: gone };
  } catch (error) {
    await gone();
    throw error;
  }
}

test(
  "the units start as docs/install.md says, under systemd, and a restart lets a build end",
  async () => {
    await using folder = await temporaryFolder();
    const release = join(folder.path, "release");
    await run(join(root, "scripts/release"), [
      "--target",
      "linux-x64",
      "--program",
      "flutter-ci",
      "--out",
      release,
    ]);
    using remote = remoteRepository();
    const operator = makeOperator();
    await using broker = await startNats({ config: operator.config });
    await writeFile(join(release, "builder.creds"), operator.creds());
    const api = `127.0.0.1:${await freePort()}`;
    const group = (await stat(DOCKER_SOCKET)).gid;
    await writeFile(
      join(release, "follow"),
      serviceScriptOf(await commandsOfPage(), await readFile(join(root, "docs/install.md"), "utf8"), {
        ...{ nats: broker.url, api, group },
      }),
    );
    await using machine = await bootMachine(release);
    const { stdout } = await machine.inside("sh", "/release/follow");
    const units = [
      "flutter-ci-up",
      "container-start@1",
      "git-cloner@1",
      "builder@1",
      "builder@2",
      "container-stop@1",
    ];
    assert.equal(stdout, units.map(() => "active\n").join(""));
    // No user of the machine, and none of root's rights.
    const { stdout: status } = await machine.inside(
      "sh",
      "-c",
      "cat /proc/$(systemctl show -p MainPID --value builder@1)/status",
    );
    assert.match(status, /^Uid:\t6\d{4}\t/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);

    await using build = startProgram("docker", [
      ...["exec", machine.name, "flutter-ci", "submit", "--api", `http://${api}`],
      ...["--token-file", "/var/lib/private/flutter-ci/up/token", "--image", remote.image, "--pull", "never"],
      ...["-c", "echo begun; until [ -e /tmp/go ]; do sleep 0.05; done; echo gone; echo made >made.txt"],
      ...["-a", "made.txt", "-o", "/tmp/kept", remote.url],
    ]);
    await build.said("\nbegun\n");
    await using restart = startProgram("docker", ["exec", machine.name, "systemctl", "restart", "builder@*"]);
    await machine.inside(
      "sh",
      "-c",
      "until journalctl -u 'builder@*' | grep -q 'finishes the 1 in hand'; do sleep 0.1; done",
    );
    const [, id = ""] = /^run (\S+)/m.exec(build.output()) ?? [];
    await run("docker", ["exec", containerName(id), "touch", "/tmp/go"]);
    const ended = await build.ended;
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.match(ended.stdout, /^gone$/m);
    await machine.inside(
      ...["flutter-ci", "artifacts", "--nats", broker.url, "--nats-creds", "/release/builder.creds"],
      ...[id, "-o", "/tmp/fetched"],
    );
    const kept = await machine.inside("cat", "/tmp/kept/made.txt", "/tmp/fetched/made.txt");
    assert.equal(kept.stdout, "made\nmade\n");
    assert.equal((await restart.ended).code, 0);

    await machine.inside("systemctl", "stop", ...units);
    const results = await machine.inside("systemctl", "show", "-p", "Result", "-p", "ActiveState", ...units);
    assert.equal(
      results.stdout.trim().split(/\n+/).filter((line) => !/=(?:success|inactive)$/.test(line)).join(),
      "",
    );
  },
);
