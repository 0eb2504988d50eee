import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { TEST_IMAGE } from "../support/step-context.ts";
import { build, repository } from "./build.ts";

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
