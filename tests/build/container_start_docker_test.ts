import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { sweep } from "../../lib/build/sweep.ts";
import { removeByHand } from "../docker/real-docker.ts";
import { objectsOfRun, TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { imageWithScript } from "../support/derived-image.ts";
import { foreignImage } from "../support/foreign-image.ts";
import { build, repository, settings } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

test("a build in an image with another user, entrypoint and command works in a workspace of its own", async () => {
  using image = importedImage({
    changes: ["USER 1234:1234", 'ENTRYPOINT ["/bin/false"]', 'CMD ["nonsense"]', "WORKDIR /etc"],
  });
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

test("container-start says what a container said that could not keep running, and for which machine its image is", async () => {
  using foreign = await foreignImage("alpha");
  await build({ image: foreign.name }, async ({ step }) => {
    const { failure } = await step(containerStart);
    assert.equal(failure?.reason, "image-unusable");
    assert.match(
      failure?.message ?? "",
      /^The image ".*" cannot run \/bin\/sh, .*[Ee]xec.*\(the image is for alpha, and Docker runs on \w+\)$/,
    );
  });
  for (
    const [script, said] of [["echo broken >&2; exit 3", /: broken$/], [
      "exit 0",
      /: it ended at once without a word$/,
    ]]
  ) {
    using image = imageWithScript("/bin/sh", `${script}`, { shell: "/bin/bash" });
    await build({ image: image.name }, async ({ step }) => {
      const { failure } = await step(containerStart);
      assert.equal(failure?.reason, "image-unusable");
      assert.match(failure?.message ?? "", said as RegExp);
    });
  }
});

test("our own scripts work whatever variables an image has, and the build's commands get all of them", async () => {
  const hostile = {
    PATH: "/nowhere:.",
    TMPDIR: "/nowhere",
    LD_PRELOAD: "/nowhere.so",
    LD_LIBRARY_PATH: "/workspace",
    BASH_ENV: "/nowhere",
    ENV: "/nowhere",
    IFS: "e/",
    CDPATH: "/tmp",
    SHELLOPTS: "noexec",
    PS4: "$(touch /tmp/traced)",
    GIT_DIR: "/nowhere",
    GIT_CONFIG_COUNT: "none",
    POSIXLY_CORRECT: "1",
  };
  const changes = Object.entries(hostile).map(([name, value]) => `ENV ${name}=${JSON.stringify(value)}`);
  // A bash that is called sh reads more of them than dash does.
  using image = importedImage({ changes: [...changes, "USER 1234"], before: "ln -sf /bin/bash /bin/sh" });
  using app = repository();
  const commands = [["/usr/bin/env"], ["/usr/bin/env", "-i", "/bin/sh", "-c", "cat a.txt >kept"]];
  await build(
    { repository: app.path, image: image.name, commands, artifacts: ["kep*"] },
    async ({ step }) => {
      for (const driver of [containerStart, gitCloner, builder]) {
        const { result, failure, lines } = await step(driver);
        assert.ok(result?.success, `${failure?.message}\n${lines.join("\n")}`);
        if (driver !== builder) continue;
        for (const [name, value] of Object.entries(hostile)) {
          assert.ok(
            lines.includes(`stdout ${name}=${value}`),
            name,
          );
        }
      }
    },
  );
});

test("a build's own variables reach its commands and nothing of ours", async () => {
  const env = Object.entries({ PATH: "/opt/x:$PATH", LD_PRELOAD: "/nowhere.so", ENV: "/nowhere", IFS: "e/" });
  using app = repository();
  const spec = {
    repository: app.path,
    env: env.map(([name, value]) => ({ name, value })),
    artifacts: ["kep*"],
  };
  await build({ ...spec, commands: ["echo hello >kept; echo $PATH"] }, async ({ step }) => {
    for (const driver of [containerStart, gitCloner]) assert.ok((await step(driver)).result?.success);
    const { result, failure, lines } = await step(builder);
    assert.ok(result?.success, `${failure?.message}`);
    assert.ok(lines.includes("stdout /opt/x:$PATH"), lines.join("\n"));
    assert.match(
      lines.join("\n"),
      /^system The variable PATH is "\/opt\/x:\$PATH" as it stands: .* not expanded/m,
    );
  });
});

test("neither a container's name nor its host name nor its network's tells the run", async () => {
  await build({}, async ({ step, idle, container, run }) => {
    await step(containerStart);
    const seen = execFileSync("docker", [
      "inspect",
      "-f",
      "{{.Name}} {{.Config.Hostname}} {{json .NetworkSettings}}",
      idle,
    ], {
      encoding: "utf8",
    });
    for (const part of [run, ...run.split("-").filter((part) => part.length > 4)]) {
      assert.ok(!seen.includes(part), seen);
    }
    assert.match(container, /^conveyor-[0-9a-f]{32}$/);
  });
});

test("container-start clears what an earlier attempt left and starts anew", async () => {
  await build({}, async ({ step, idle: container }) => {
    const first = (await step(containerStart)).result?.data as { containerID: string };
    execFileSync("docker", ["exec", container, "touch", "/workspace/left"]);
    const second = (await step(containerStart, { attempt: 2 })).result?.data as { containerID: string };
    assert.notEqual(second.containerID, first.containerID);
    assert.equal(execFileSync("docker", ["exec", container, "ls", "/workspace"], { encoding: "utf8" }), "");
  });
});

for (const when of ["before it begins", "once it has begun"]) {
  test(`a container that only has the name of the run's ${when} is neither used nor removed`, async () => {
    await build({}, async ({ step, container, idle, run }) => {
      const name = when === "before it begins" ? idle : container;
      const labels = ["--label", `conveyor.run=${run}`, "--label", "conveyor.owner=somebody"];
      try {
        const command = [TEST_IMAGE, "sleep", "600"];
        execFileSync("docker", ["run", "-d", "--network", "none", "--name", name, ...labels, ...command]);
        const { failure } = await step(containerStart);
        assert.equal(failure?.reason, "container-failed");
        assert.match(failure?.message ?? "", /is taken by a container that is not ours$/);
        assert.equal((await step(gitCloner)).failure?.reason, "container-lost");
        assert.equal((await step(builder)).failure?.reason, "container-lost");
        assert.match((await step(containerStop)).result?.message ?? "", /gone already/);
        execFileSync("docker", ["inspect", name], { stdio: "ignore" });
      } finally {
        execFileSync("docker", ["rm", "-fv", name], { stdio: "ignore" });
      }
    });
  });
}

test("container-stop removes the volume of a container that somebody has removed without it", async () => {
  await build({}, async ({ step, run, idle }) => {
    assert.ok((await step(containerStart)).result?.success);
    await removeByHand(idle);
    assert.equal((await objectsOfRun(run)).length, 1);
    assert.match((await step(containerStop)).result?.message ?? "", /gone already/);
    assert.deepEqual(await objectsOfRun(run), []);
  });
});

test("what somebody else has labelled as the run's is not removed with it", async () => {
  await using docker = testDocker();
  await build({ network: "bridge" }, async ({ step, run }) => {
    const labels = { [LABELS.owner]: settings.owner, [LABELS.run]: run };
    const flags = Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
    const name = `conveyor-test-${crypto.randomUUID()}`;
    const made = (...words: string[]) => execFileSync("docker", words, { encoding: "utf8" }).trim();
    const volume = made("volume", "create", ...flags);
    const network = made("network", "create", ...flags, name);
    const container = made("create", "--network", "none", "--name", name, ...flags, TEST_IMAGE, "true");
    try {
      assert.ok((await step(containerStart)).result?.success);
      assert.equal((await step(containerStop)).result?.message, "Removed the container");
      const { signal } = new AbortController();
      assert.deepEqual(await sweep(docker, { owner: settings.owner, isAlive: () => false, signal }), []);
      assert.deepEqual((await docker.volumes(labels)).map(({ name }) => name), [volume]);
      assert.deepEqual((await docker.networks(labels)).map(({ id }) => id), [network]);
      assert.deepEqual((await docker.list(labels)).map(({ id }) => id), [container]);
    } finally {
      made("rm", container);
      made("network", "rm", network);
      made("volume", "rm", volume);
    }
  });
});

test("containers of one owner cannot reach each other, and learn no more of each other than a name that tells nothing", async () => {
  await build({}, async (one) => {
    await one.step(containerStart);
    const address = execFileSync("docker", [
      "inspect",
      "-f",
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
      one.idle,
    ], { encoding: "utf8" }).trim();
    execFileSync("docker", [
      "exec",
      "-d",
      one.idle,
      "perl",
      "-MIO::Socket",
      "-e",
      "$s=IO::Socket::INET->new(LocalPort=>8000,Listen=>9,ReuseAddr=>1); $s->accept while 1",
    ]);
    await build({}, async (two) => {
      await two.step(containerStart);
      // The bridge's own DNS tells the names of all who are on it.
      const look = `print scalar gethostbyaddr(inet_aton("${address}"), AF_INET)`;
      const name = execFileSync("docker", ["exec", two.idle, "perl", "-MSocket", "-e", look], {
        encoding: "utf8",
      });
      assert.equal(name, `${one.idle}.conveyor`);
      assert.match(name, /^conveyor-[0-9a-f]{32}-idle\.conveyor$/);
      const reach = `exec 3<>/dev/tcp/${address}/8000`;
      const untilReached = `until ${reach}; do sleep 0.05; done`;
      execFileSync("docker", ["exec", one.idle, "timeout", "30", "bash", "-c", untilReached], {
        stdio: "ignore",
      });
      assert.throws(() =>
        execFileSync("docker", ["exec", two.idle, "timeout", "2", "bash", "-c", reach], {
          stdio: "ignore",
        })
      );
    });
  });
});

/** An image made for the test: the test image with some instructions, and an empty one. */
function importedImage(
  { changes = [], before = "true" }: { changes?: string[]; before?: string } = {},
): { name: string; emptyName: string } & Disposable {
  const tag = crypto.randomUUID().slice(0, 8);
  const [name, emptyName] = [`conveyor-test-${tag}`, `conveyor-test-empty-${tag}`];
  const made = ["create", "--network", "none", TEST_IMAGE, "sh", "-c", before];
  const container = execFileSync("docker", made, { encoding: "utf8" }).trim();
  execFileSync("docker", ["start", "-a", container]);
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
