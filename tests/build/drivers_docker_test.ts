import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { StepFailure } from "../../lib/base/errors.ts";
import { containerName, LABELS } from "../../lib/build/labels.ts";
import { sweep } from "../../lib/build/sweep.ts";
import type { Context, Driver } from "../../lib/driver/driver.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { testSettings } from "../support/settings.ts";
import { stepContext, TEST_IMAGE, testDocker } from "../support/step-context.ts";

const settings = testSettings();

/** A repository with some files in it. */
function repository(files: Record<string, string> = { "a.txt": "one\n" }): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "app-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args]);
  git("init", "-q", "-b", "main");
  git("add", ".");
  git("commit", "-qm", "one");
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

interface Build {
  /** Runs one driver on the build's resource, and answers its result or what it threw. */
  step(
    driver: Driver,
    given?: Partial<Context>,
  ): Promise<
    { result?: DriverResult; failure?: StepFailure; lines: string[]; artifacts: Map<string, Buffer> }
  >;
  readonly container: string;
  readonly run: string;
}

/** One build from its container to its end: whatever happens in between, nothing of it is left. */
async function build(spec: object, work: (build: Build) => Promise<void>): Promise<void> {
  await using docker = testDocker();
  const results: Record<string, DriverResult> = {};
  const run = crypto.randomUUID();
  const step: Build["step"] = async (driver, given = {}) => {
    const context = stepContext(docker, { image: TEST_IMAGE, repository: ".", ...spec }, {
      run,
      settings,
      results,
      ...given,
    });
    const outcome = await driver.reconcile(context).then(
      (result) => ({ result }),
      (error) => {
        if (error instanceof StepFailure) return { failure: error };
        throw error;
      },
    );
    if ("result" in outcome) results[driver.name] = outcome.result;
    return { ...outcome, lines: await context.lines(), artifacts: context.artifacts };
  };
  try {
    await work({ step, container: containerName(run), run });
  } finally {
    await step(containerStop);
    const ours = { [LABELS.owner]: settings.owner, [LABELS.run]: run };
    assert.deepEqual(await docker.list(ours), []);
    assert.deepEqual(await docker.volumes(ours), []);
  }
}

/** A build up to its checkout. */
async function checkedOut(spec: object, work: (build: Build) => Promise<void>): Promise<void> {
  using app = repository();
  await build({ repository: app.path, ...spec }, async (made) => {
    assert.ok((await made.step(containerStart)).result?.success);
    assert.ok((await made.step(gitCloner)).result?.success);
    await work(made);
  });
}

test("the four drivers build a local repository and keep its artifacts", async () => {
  using app = repository({ "hello.c": "int main(void) { return 0; }\n", Makefile: "hello: hello.c\n" });
  const spec = {
    repository: app.path,
    commands: ["make", ["ln", "-s", "hello", "alias"]],
    artifacts: ["hell[o]", "al*"],
  };
  await build(spec, async ({ step, run }) => {
    const started = await step(containerStart);
    assert.deepEqual(Object.keys(started.result?.data as object), ["containerID", "host", "run"]);
    assert.match(
      started.lines.join("\n"),
      /user root.*memory.*no swap.*pids 4096.*isolated bridge.*no new privileges/,
    );
    const cloned = await step(gitCloner);
    const commit = execFileSync("git", ["-C", app.path, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
    assert.deepEqual(cloned.result?.data, { commit, ref: "refs/heads/main" });
    const built = await step(builder);
    const data = built.result?.data as {
      commands: { command: string; exitCode: number }[];
      artifacts: { name: string; path: string }[];
    };
    assert.deepEqual(data.commands.map(({ command, exitCode }) => [command, exitCode]), [["make", 0], [
      "ln -s hello alias",
      0,
    ]]);
    assert.deepEqual(data.artifacts.map(({ name, path }) => [name, path]), [["alias", "hello"], [
      "hello",
      "hello",
    ]]);
    assert.equal(built.artifacts.get("alias")?.subarray(1, 4).toString(), "ELF");
    assert.ok(built.lines.includes("stdout cc     hello.c   -o hello"), built.lines.join("\n"));
    assert.ok(run);
  });
});

test("builder gives commands CI, the run, its commit and ref, the spec's variables and secrets, and no input", async () => {
  const spec = { env: [{ name: "COLOUR", value: "ü'$x" }], commands: ["env; pwd; cat; echo end"] };
  await checkedOut(spec, async ({ step, run }) => {
    const { lines } = await step(builder, { secrets: { PASSWORD: "correct horse" } });
    assert.ok(lines.includes("stdout CI=true"));
    assert.ok(lines.includes(`stdout CONVEYOR_RUN=${run}`));
    assert.ok(lines.includes("stdout CONVEYOR_REF=refs/heads/main"));
    assert.ok(lines.includes("stdout COLOUR=ü'$x"));
    assert.ok(lines.includes("stdout PASSWORD=***"));
    assert.ok(lines.includes("stdout /workspace"));
    assert.ok(lines.includes("stdout end"));
  });
});

test("builder ends at the first command that fails and says which, how and after what", async () => {
  await checkedOut({ commands: ["true", "echo why >&2; exit 3", "echo never"] }, async ({ step }) => {
    const { failure, lines } = await step(builder);
    assert.equal(failure?.reason, "command-failed");
    assert.match(failure?.message ?? "", /exited with 3/);
    assert.deepEqual((failure?.data.commands as { exitCode: number }[]).map((c) => c.exitCode), [0, 3]);
    assert.ok(lines.includes("stderr why"));
    assert.ok(!lines.some((line) => line.includes("never") && line.startsWith("stdout")));
  });
});

test("builder never runs commands twice: a second attempt ends what still runs and says driver-lost", async () => {
  await checkedOut({ commands: ["echo once >>/tmp/times"] }, async ({ step, container }) => {
    assert.ok((await step(builder)).result?.success);
    execFileSync("docker", ["exec", "-d", container, "sleep", "600"]);
    const { failure } = await step(builder, { attempt: 2 });
    assert.equal(failure?.reason, "driver-lost");
    const processes = execFileSync("docker", ["top", container], { encoding: "utf8" });
    assert.doesNotMatch(processes, /sleep 600/);
    assert.equal(
      execFileSync("docker", ["exec", container, "cat", "/tmp/times"], { encoding: "utf8" }),
      "once\n",
    );
  });
});

test("builder tells memory, disk and processes that have run out apart from an ordinary failure", async () => {
  const limits = { memory: "200m", pids: 40 };
  const eat = "head -c 900m /dev/zero | tail";
  for (
    const [reason, commands] of [
      ["out-of-memory", [eat]],
      ["disk-full", ["dd if=/dev/zero of=/dev/shm/x bs=1M count=100"]],
      ["pids-exhausted", ["for i in $(seq 100); do sleep 5 & done; wait"]],
      ["command-failed", ["echo fine; exit 1"]],
    ] as const
  ) {
    await checkedOut({ limits, commands }, async ({ step }) => {
      const { failure, lines } = await step(builder);
      assert.equal(failure?.reason, reason, lines.join("\n"));
    });
  }
});

test("builder goes on when a process that was left behind holds the output open", async () => {
  await checkedOut({ commands: ["(setsid sleep 300 &) ; echo started", "echo second"] }, async ({ step }) => {
    const { result, lines } = await step(builder);
    assert.ok(result?.success);
    assert.ok(lines.includes("stdout second"));
    assert.ok(lines.some((line) => line.startsWith("system A process that was left behind")));
  });
});

test("a cancelled step ends its whole process tree, also what ignores TERM and what has left its parent", async () => {
  const commands = [
    "trap '' TERM; (setsid sh -c \"trap '' TERM; sleep 600\" &); echo begun; while :; do sleep 1; done",
  ];
  await checkedOut({ commands }, async ({ step, container }) => {
    const cancel = new AbortController();
    const running = step(builder, { signal: cancel.signal });
    running.catch(() => {});
    const begun = () =>
      execFileSync("docker", ["top", container], { encoding: "utf8" }).includes("sleep 600");
    while (!begun()) await new Promise((resolve) => setTimeout(resolve, 50));
    const at = Date.now();
    cancel.abort(new Error("cancelled for the test"));
    await assert.rejects(running, /cancelled for the test/);
    assert.ok(Date.now() - at < settings.graceMs + 5000);
    const left = execFileSync("docker", ["ps", "-q", "--filter", `name=${container}`], { encoding: "utf8" });
    assert.equal(left, "", "what ignores TERM can only be ended with its container");
  });
});

test("a build in an image with another user, entrypoint and command works in a workspace of its own", async () => {
  using image = importedImage(
    "USER 1234:1234",
    'ENTRYPOINT ["/bin/false"]',
    'CMD ["nonsense"]',
    "WORKDIR /etc",
  );
  using app = repository();
  await build(
    { repository: app.path, image: image.name, commands: ["id -u; touch made; ls -l made"] },
    async ({ step }) => {
      assert.match((await step(containerStart)).lines.join("\n"), /user 1234/);
      assert.ok((await step(gitCloner)).result?.success);
      const { lines, result } = await step(builder);
      assert.ok(result?.success, lines.join("\n"));
      assert.ok(lines.includes("stdout 1234"));
    },
  );
});

test("container-start says clearly what is wrong with an image", async () => {
  using empty = importedImage();
  await build({ image: empty.emptyName }, async ({ step }) => {
    const { failure } = await step(containerStart);
    assert.equal(failure?.reason, "image-unusable");
    assert.match(failure?.message ?? "", /no \/bin\/sh/);
  });
  await build({ image: "conveyor-no-such-image:1", pull: "never" }, async ({ step }) => {
    assert.equal((await step(containerStart)).failure?.reason, "image-not-found");
  });
});

test("container-start clears what an earlier attempt left and starts anew", async () => {
  await build({}, async ({ step, container }) => {
    const first = (await step(containerStart)).result?.data as { containerID: string };
    execFileSync("docker", ["exec", container, "touch", "/workspace/left"]);
    const second = (await step(containerStart, { attempt: 2 })).result?.data as { containerID: string };
    assert.notEqual(second.containerID, first.containerID);
    assert.equal(execFileSync("docker", ["exec", container, "ls", "/workspace"], { encoding: "utf8" }), "");
  });
});

test("a container that only looks like the run's is neither used nor removed", async () => {
  await build({}, async ({ step, container, run }) => {
    const labels = ["--label", `conveyor.run=${run}`, "--label", "conveyor.owner=somebody"];
    try {
      const command = [TEST_IMAGE, "sleep", "600"];
      execFileSync("docker", ["run", "-d", "--network", "none", "--name", container, ...labels, ...command]);
      assert.equal((await step(containerStart)).failure?.reason, "container-failed");
      assert.equal((await step(gitCloner)).failure?.reason, "container-lost");
      assert.equal((await step(builder)).failure?.reason, "container-lost");
      assert.match((await step(containerStop)).result?.message ?? "", /gone already/);
      execFileSync("docker", ["inspect", container], { stdio: "ignore" });
    } finally {
      execFileSync("docker", ["rm", "-fv", container], { stdio: "ignore" });
    }
  });
});

test("git-cloner checks out branches, tags and commits, and says what is missing", async () => {
  using app = repository();
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
      encoding: "utf8",
    }).trim();
  git("tag", "v1");
  git("commit", "-q", "--allow-empty", "-m", "two");
  const first = git("rev-parse", "v1");
  for (const ref of ["v1", first, first.slice(0, 8)]) {
    await build({ repository: app.path, ref }, async ({ step }) => {
      await step(containerStart);
      assert.equal(((await step(gitCloner)).result?.data as { commit: string }).commit, first, ref);
      assert.ok((await step(gitCloner, { attempt: 2 })).result?.success, "a second attempt clones again");
    });
  }
  for (const ref of ["no-such-branch", "abcdef12"]) {
    await build({ repository: app.path, ref }, async ({ step }) => {
      await step(containerStart);
      assert.equal((await step(gitCloner)).failure?.reason, "ref-not-found", ref);
    });
  }
});

test("git-cloner brings a local repository into a container that has no tar", async () => {
  using app = repository();
  await build({ repository: app.path, user: "nobody" }, async ({ step, container }) => {
    await step(containerStart);
    execFileSync("docker", ["exec", "--user", "0", container, "sh", "-c", 'rm "$(command -v tar)"']);
    const { result } = await step(gitCloner);
    const commit = execFileSync("git", ["-C", app.path, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
    assert.deepEqual(result?.data, { commit, ref: "refs/heads/main" });
  });
});

test("git-cloner runs no hook and nothing of the repository's configuration, here or in the container", async () => {
  using app = repository();
  writeFileSync(join(app.path, ".git", "hooks", "post-checkout"), "#!/bin/sh\ntouch /tmp/hooked\n", {
    mode: 0o755,
  });
  await build({ repository: app.path }, async ({ step, container }) => {
    await step(containerStart);
    assert.ok((await step(gitCloner)).result?.success);
    assert.throws(() =>
      execFileSync("docker", ["exec", container, "test", "-e", "/tmp/hooked"], { stdio: "ignore" })
    );
  });
});

test("artifacts that match nothing, or link out of the workspace, fail the step by name", async () => {
  for (
    const [artifact, message] of [["missing-*", /missing-\*/], [
      "passwd",
      /outside of the workspace/,
    ]] as const
  ) {
    await checkedOut({ commands: ["ln -s /etc/passwd passwd"], artifacts: [artifact] }, async ({ step }) => {
      const { failure } = await step(builder);
      assert.equal(failure?.reason, "artifact-failed");
      assert.match(failure?.message ?? "", message);
    });
  }
});

test("containers of one owner cannot reach each other", async () => {
  await build({}, async (one) => {
    await one.step(containerStart);
    const address = execFileSync("docker", [
      "inspect",
      "-f",
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
      one.container,
    ], { encoding: "utf8" }).trim();
    execFileSync("docker", [
      "exec",
      "-d",
      one.container,
      "perl",
      "-MIO::Socket",
      "-e",
      "$s=IO::Socket::INET->new(LocalPort=>8000,Listen=>9,ReuseAddr=>1); $s->accept while 1",
    ]);
    await build({}, async (two) => {
      await two.step(containerStart);
      const reach = `exec 3<>/dev/tcp/${address}/8000`;
      const untilReached = `until ${reach}; do sleep 0.05; done`;
      execFileSync("docker", ["exec", one.container, "timeout", "30", "bash", "-c", untilReached], {
        stdio: "ignore",
      });
      assert.throws(() =>
        execFileSync("docker", ["exec", two.container, "timeout", "2", "bash", "-c", reach], {
          stdio: "ignore",
        })
      );
    });
  });
});

test("sweep removes what dead runs left, and nothing of live runs or other owners", async () => {
  await using docker = testDocker();
  await build({}, async (live) => {
    await live.step(containerStart);
    await build({}, async (dead) => {
      await dead.step(containerStart);
      const signal = AbortSignal.timeout(30_000);
      assert.deepEqual(await sweep(docker, { owner: "somebody else", isAlive: () => false, signal }), []);
      const removed = await sweep(docker, {
        owner: settings.owner,
        isAlive: (run) => run === live.run,
        signal,
      });
      assert.deepEqual(removed, [dead.container]);
      assert.equal((await docker.inspect(live.container))?.state, "running");
    });
  });
});

/** An image made for the test: the test image with some instructions, and an empty one. */
function importedImage(...changes: string[]): { name: string; emptyName: string } & Disposable {
  const tag = crypto.randomUUID().slice(0, 8);
  const [name, emptyName] = [`conveyor-test-${tag}`, `conveyor-test-empty-${tag}`];
  const container = execFileSync("docker", ["create", TEST_IMAGE, "true"], { encoding: "utf8" }).trim();
  execFileSync("docker", ["commit", ...changes.flatMap((change) => ["-c", change]), container, name], {
    stdio: "ignore",
  });
  execFileSync("docker", ["rm", container], { stdio: "ignore" });
  execFileSync("docker", ["import", "-", emptyName], {
    input: Buffer.alloc(10_240),
    stdio: ["pipe", "ignore", "inherit"],
  });
  return {
    name,
    emptyName,
    [Symbol.dispose]: () => execFileSync("docker", ["rmi", "-f", name, emptyName], { stdio: "ignore" }),
  };
}
