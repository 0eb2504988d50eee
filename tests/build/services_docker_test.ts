import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { containerName, LABELS, serviceName } from "../../lib/build/labels.ts";
import { aborted } from "../../lib/base/signals.ts";
import { sweep } from "../../lib/build/sweep.ts";
import { withinDisk } from "../../lib/build/within-disk.ts";
import { needing } from "../support/needs.ts";
import { within } from "../support/within.ts";
import { paced } from "../support/pace.ts";
import { testPolicy } from "../support/settings.ts";
import { TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { build, repository, settings } from "./build.ts";

const { test } = needing("Docker");
const { signal } = new AbortController();

/** A server that says what its variable holds, on port 5432, a moment after it has started. */
const SERVER = `$| = 1; print "starting with $ENV{PASSWORD}\\n"; select(undef, undef, undef, 0.3);
my $s = IO::Socket::INET->new(LocalPort => 5432, Listen => 9, ReuseAddr => 1) or die;
while (my $c = $s->accept) { print $c "hello $ENV{NAME}\\n"; print "asked\\n"; close $c }`;

const service = (more: object = {}) => ({
  name: "db",
  image: TEST_IMAGE,
  command: ["perl", "-MIO::Socket", "-e", SERVER],
  env: [{ name: "NAME", value: "build" }, { name: "PASSWORD", secret: "DB_PASSWORD" }],
  ports: [5432],
  limits: { memory: "64m", pids: 50 },
  ...more,
});
const secrets = { DB_PASSWORD: "sw0rdfish-and-chips" };
const ask = "exec 3<>/dev/tcp/db/5432; cat <&3";

const inspected = (name: string, format: string) =>
  execFileSync("docker", ["inspect", "-f", format, name], { encoding: "utf8" }).trim();

test("a build reaches its services by name once they are healthy, and their log is in its own, masked", async () => {
  using app = repository();
  const spec = {
    repository: app.path,
    network: "none",
    secrets: ["DB_PASSWORD"],
    services: [service({ health: { command: ["perl", "-e", "exit 0"] } })],
    commands: [["bash", "-c", ask], ["bash", "-c", "! timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'"]],
  };
  await using docker = testDocker();
  await build(spec, async ({ step, run }) => {
    const started = await step(containerStart, { secrets });
    assert.ok(started.result?.success, `${started.failure?.message}\n${started.lines.join("\n")}`);
    assert.match(
      started.lines.join("\n"),
      /^system Service db: image .*, memory 64\.0 MiB, pids 50, healthy after /m,
    );
    const internal = ["network", "inspect", "-f", "{{.Internal}}", containerName(run)];
    assert.equal(execFileSync("docker", internal, { encoding: "utf8" }).trim(), "true");
    const name = serviceName(run, "db");
    const limits =
      "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.Privileged}} {{.HostConfig.CapDrop}}";
    assert.equal(inspected(name, limits), `${64 * 1024 ** 2} 50 false [ALL]`);
    await step(gitCloner, { secrets });
    const built = await step(builder, { secrets });
    assert.ok(built.result?.success, `${built.failure?.message}\n${built.lines.join("\n")}`);
    assert.ok(built.lines.includes("stdout hello build"));
    const stopped = (await step(containerStop, { secrets })).lines.join("\n");
    assert.match(stopped, /^stdout db \| asked$/m);
    assert.match(stopped, /^stdout db \| starting with (?!.*sw0rdfish)/m);
    const ours = { [LABELS.owner]: settings.owner };
    assert.deepEqual([await docker.list(ours), await docker.networks(ours), await docker.volumes(ours)], [
      [],
      [],
      [],
    ]);
  });
});

test("a service that ends or does not become healthy fails the build, with what it printed and why", async () => {
  const failures: readonly (readonly [more: object, message: RegExp, line: RegExp])[] = [
    [
      {
        command: [
          "sh",
          "-c",
          "head -c 400000 /dev/zero | tr '\\0' x | fold -w 1000; echo; echo no disk; exit 1",
        ],
      },
      /"db" ended before it was healthy: it exited with 1$/,
      /^stdout db \| no disk$/m,
    ],
    [
      { command: ["sleep", "100"], health: { command: "true", timeout: "500ms" } },
      /"db" was not healthy within 0\.50 s: nothing listens on port 5432$/,
      /db has printed nothing/,
    ],
    [
      { ports: [], health: { command: "echo not yet >&2; exit 3", timeout: `${paced(1500)}ms` } },
      /"db" was not healthy within .*: its health command exited with 3: not yet$/,
      /^stdout db \| starting with/m,
    ],
    [
      { ports: [], health: { command: "exec sleep 100", timeout: `${paced(1500)}ms` } },
      /"db" was not healthy within .*: its health command did not end$/,
      /^stdout db \| starting with/m,
    ],
    [
      { command: ["perl", "-e", '$x = "x" x 1e9'], limits: { memory: "8m" } },
      // Docker may hear of the kernel's kill only after the end.
      /"db" ended before it was healthy: (?:it needs more memory than its 8\.0 MiB|it exited with 137)$/,
      /./,
    ],
    [
      { command: ["/no/such/program"] },
      /"db" ended before it was healthy: it exited with 127$/,
      /^stdout db \| .*no\/such\/program/m,
    ],
  ];
  for (const [more, message, line] of failures) {
    await build({ secrets: ["DB_PASSWORD"], services: [service(more)] }, async ({ step }) => {
      const { failure, lines } = await step(containerStart, { secrets });
      assert.equal(failure?.reason, "service-failed", failure?.message ?? "");
      assert.match(failure?.message ?? "", message);
      assert.match(lines.join("\n"), line);
      assert.ok(!lines.join("\n").includes(secrets.DB_PASSWORD));
    });
  }
  await build(
    { services: [service({ env: [], image: "conveyor-none:1" })], pull: "never" },
    async ({ step }) => {
      assert.equal((await step(containerStart)).failure?.reason, "image-not-found");
    },
  );
});

test("what a lost driver has left of services is removed by its next attempt, and by the sweep", async () => {
  await using docker = testDocker();
  const ours = { [LABELS.owner]: settings.owner };
  const command = ["sh", "-c", "head -c 20m /dev/zero >/filled; exec sleep 600"];
  const idle = service({ command, env: [], ports: [], health: { command: "test -s /filled" }, limits: {} });
  // Less than a service has by default.
  const policy = testPolicy({ maxMemory: 64 * 1024 ** 2, maxPids: 60 });
  await build({ services: [idle] }, async ({ step, run }) => {
    assert.ok((await step(containerStart, { policy })).result?.success);
    const limits = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}";
    assert.equal(inspected(serviceName(run, "db"), limits), `${64 * 1024 ** 2} 60`);
    const first = inspected(serviceName(run, "db"), "{{.Id}}");
    const watched = { docker, run, settings, policy: testPolicy({ maxDiskBytes: 10 * 1024 ** 2 }), signal };
    const full = await within(
      withinDisk(watched, ({ signal }) => aborted(signal).then(() => signal.reason)),
      "a look",
    );
    assert.match(String(full), /The build takes 20\.\d MiB of disk, more than/);
    assert.ok((await step(containerStart, { attempt: 2 })).result?.success);
    assert.notEqual(inspected(serviceName(run, "db"), "{{.Id}}"), first);
    // Where only the services are left.
    const container = (await docker.list(ours)).find((one) => one.labels[LABELS.kind] === "build");
    await docker.remove(container?.id ?? "");
    assert.ok((await step(containerStart, { attempt: 3 })).result?.success);
    await sweep(docker, { owner: settings.owner, isAlive: () => true, signal });
    assert.equal((await docker.list(ours)).length, 2);
    await sweep(docker, { owner: settings.owner, isAlive: () => false, signal });
    assert.deepEqual([await docker.list(ours), await docker.networks(ours)], [[], []]);
  });
});
