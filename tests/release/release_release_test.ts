import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeRepository } from "../cli/git-repository.ts";
import { root, runtime, temporaryFolder } from "../cli/start-program.ts";

import { freePort, startNats } from "../support/nats-server.ts";
import { needing } from "../support/needs.ts";
import { remoteRepository } from "../support/remote-repository.ts";
import { ownImageName } from "../support/step-context.ts";
import { TEST_IMAGE } from "../support/test-image.ts";
import { FULL_GIT_IMAGE, noFullGit } from "../support/full-git-image.ts";
import { commandsOfPage, scriptOf } from "./install-page.ts";
import { copyOfTree, run } from "./made-release.ts";
import { serveFolder } from "./small-release.ts";

const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];
const TARGETS = ["linux-x64", "linux-x64-musl"];
const BARE = { "linux-x64": "conveyor-bare:glibc", "linux-x64-musl": "conveyor-bare:musl" };
const { after, before, test } = needing("Docker", "broker", () => {
  if (runtime === "deno") return "What a release holds does not depend on the runtime of its tests";
  return !existsSync(join(root, ".tools/runtimes")) &&
    "scripts/test has not fetched what a release is made of";
});

const shared: { folder?: AsyncDisposable & { path: string }; version?: string } = {};
const at = (...names: string[]) => join(shared.folder?.path ?? "", ...names);
const archive = (target: string) => at("release", `flutter-ci-${shared.version}-${target}.tar.gz`);
const unpacked = (target: string) => at("unpacked", target);

before(async () => {
  shared.folder = await temporaryFolder();
  shared.version = JSON.parse(await readFile(join(root, "package.json"), "utf8")).version;
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at("key")]);
  await copyOfTree(at("a"));
  const targets = TARGETS.flatMap((target) => ["--target", target]);
  await run(at("a/scripts/release"), [
    ...[...targets, "--program", "flutter-ci", "--out", at("release"), "--sign-key", at("key")],
  ]);
  for (const target of TARGETS) {
    await mkdir(unpacked(target), { recursive: true });
    await run("tar", ["-xzf", archive(target), "-C", unpacked(target), "--strip-components=1"]);
  }
});
after(() => shared.folder?.[Symbol.asyncDispose]());

test("the same commit in another folder gives the same bytes", async () => {
  await copyOfTree(at("another/folder"));
  await run(at("another/folder/scripts/release"), [
    ...["--target", "linux-x64", "--program", "flutter-ci", "--out", at("again")],
  ]);
  const names = (await readdir(at("again"))).filter((name) => !name.startsWith("SHA256SUMS"));
  assert.ok(names.includes(`flutter-ci-${shared.version}-linux-x64.tar.gz`), names.join());
  for (const name of names) await run("cmp", [at("release", name), at("again", name)]);
});

test(
  "checksums and the signature over them are right, and a change to either is noticed",
  async () => {
    const { stdout } = await run("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd: at("release") });
    for (const target of TARGETS) {
      assert.ok(
        stdout.includes(`flutter-ci-${shared.version}-${target}.tar.gz: OK`),
      );
    }

    await writeFile(at("signers"), `release ${await readFile(at("key.pub"), "utf8")}`);
    const verify = (sums: string) =>
      run("sh", [
        "-c",
        'ssh-keygen -Y verify -f "$1" -I release -n flutter-ci-release -s "$2.sig" <"$3"',
        ...["sh", at("signers"), at("release/SHA256SUMS"), sums],
      ]);
    await verify(at("release/SHA256SUMS"));
    await run("cp", [at("release/SHA256SUMS"), at("changed")]);
    await appendFile(at("changed"), "0  other\n");
    await assert.rejects(verify(at("changed")));
  },
);

test("a program says what it is, and acts by the name it is called", async () => {
  const { stdout: commit } = await run("git", ["rev-parse", "--short=12", "HEAD"], { cwd: at("a") });
  const bin = join(unpacked("linux-x64"), "bin");
  await run("ln", ["-s", join(bin, "flutter-ci"), at("my-ci")]);
  await run("cp", [join(bin, "flutter-ci"), at("git-cloner")]);
  const called = {
    "flutter-ci": "flutter-ci",
    [at("my-ci")]: "flutter-ci",
    [at("git-cloner")]: "git-cloner",
  };
  for (const driver of DRIVERS) called[driver] = driver;
  for (const [path, name] of Object.entries(called)) {
    const program = path.startsWith("/") ? path : join(bin, path);
    const { stdout } = await run(program, ["--version", "--json"]);
    const expected = { name, version: shared.version, commit: commit.trim(), target: "linux-x64" };
    assert.deepEqual(JSON.parse(stdout), expected, path);
  }
  // Found on PATH, a program is told its bare name only.
  const { stdout } = await run("/bin/sh", ["-c", "builder --version"], { env: { PATH: bin } });
  assert.equal(stdout, `${shared.version} (commit ${commit.trim()}, linux-x64)\n`);
});

test("a release says what is in it, under which licences", async () => {
  const doc = join(unpacked("linux-x64"), "share/doc/flutter-ci");
  const notices = await readFile(join(doc, "THIRD-PARTY-NOTICES"), "utf8");
  const { stdout } = await run(join(unpacked("linux-x64"), "bin/flutter-ci"), ["--licenses"]);
  assert.equal(stdout, notices);
  const sbom = JSON.parse(await readFile(join(doc, "sbom.cdx.json"), "utf8"));
  assert.deepEqual([sbom.bomFormat, sbom.specVersion], ["CycloneDX", "1.6"]);
  const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const names = sbom.components.map(({ name }: { name: string }) => name);
  for (const name of ["bun", "streamx", ...Object.keys(dependencies)]) assert.ok(names.includes(name), name);
  for (const name of ["typescript", "empty", "fast-check"]) assert.equal(names.includes(name), false, name);
  const refs = new Set(sbom.dependencies.map(({ ref }: { ref: string }) => ref));
  for (const { name, version, licenses, "bom-ref": ref } of sbom.components) {
    assert.ok(licenses.length > 0, name);
    assert.ok(refs.has(ref), ref);
    if (name !== "bun") assert.ok(notices.includes(`\n${name} ${version}\nLicence: `), name);
  }
});

test(
  "a driver's program holds no control plane, no YAML, no SQLite and no HTTP framework",
  async () => {
    for (const driver of DRIVERS) {
      const list = at(`${driver}.json`);
      await run(join(root, ".tools/bin/bun"), [
        ...["build", "drivers/standalone.ts", "--target=bun", "--minify", "--outdir", at(`${driver}-files`)],
        ...["--define", `CONVEYOR_DRIVER="${driver}"`, `--metafile=${list}`],
      ], { cwd: root });
      const files = Object.keys(JSON.parse(await readFile(list, "utf8")).inputs);
      assert.ok(files.includes(`drivers/${driver}.ts`), driver);
      const others = DRIVERS.filter((other) => other !== driver).map((other) => `drivers/${other}.ts`);
      const without = [
        ...others,
        "lib/engine/",
        "lib/backend/embedded/",
        "lib/build/git/local",
        "lib/build/git/objects/",
        "lib/cli/completion/",
        "node_modules/yaml/",
        "node_modules/hono/",
      ];
      assert.deepEqual(files.filter((file) => without.some((place) => file.startsWith(place))), [], driver);
    }
  },
);

test("the systemd units are right, and as closed as a driver can be", async () => {
  const prefix = at("installed");
  await run("sh", [
    at("release/install.sh"),
    "--from",
    at("release"),
    "--key",
    at("key.pub"),
    "--prefix",
    prefix,
  ]);
  const folder = join(prefix, "lib/systemd/system");
  const units = (await readdir(folder)).sort();
  assert.deepEqual(units, [...DRIVERS.map((driver) => `${driver}@.service`), "flutter-ci-up.service"].sort());
  const paths = units.map((name) => join(folder, name));
  const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", ...paths]);
  assert.equal(stdout + stderr, "");
  for (const path of paths) {
    await run("systemd-analyze", ["security", "--offline=true", "--threshold=30", path]);
  }
});

test(
  "the image that the archive's setup makes for Docker Compose holds a program that starts",
  async () => {
    const env = { FLUTTER_CI_IMAGE: ownImageName() };
    try {
      await run(join(unpacked("linux-x64"), "share/doc/flutter-ci/compose/setup"), [at("fleet")], { env });
      const { stdout } = await run("docker", [
        ...["run", "--rm", "--read-only", "--cap-drop", "ALL", "--user", "1234:1234", env.FLUTTER_CI_IMAGE],
        ...["doctor", "--nats", "tls://localhost:4222", "--json"],
      ]).catch((error) => error);
      // It looks up names, which takes more than what a program is linked with.
      assert.match(stdout, /"what":"broker","message":"Cannot connect to NATS at .* connection refused/);
      const variables = (await readFile(at("fleet/.env"), "utf8")).split("\n");
      assert.ok(variables.includes(`FLUTTER_CI_IMAGE=${env.FLUTTER_CI_IMAGE}`));
    } finally {
      await run("docker", ["rmi", "-f", env.FLUTTER_CI_IMAGE]);
    }
  },
);

test("what docs/install.md says works, word for word, on a Debian that has nothing of ours", {
  needs: noFullGit,
}, async () => {
  using remote = remoteRepository();
  await using server = await serveFolder(at("release"));
  const version = shared.version ?? "";
  const page = await commandsOfPage();
  await writeFile(
    at("follow"),
    scriptOf(page, { url: server.url, version, image: remote.image, repository: remote.url }),
  );
  // This Debian has no wget: that of busybox is found under its name.
  const { stdout: container } = await run("docker", ["create", BARE["linux-x64"], "sh"]);
  await run("docker", ["cp", `${container.trim()}:/bin/busybox`, at("busybox")]);
  await run("docker", ["rm", container.trim()]);
  const { stdout, stderr } = await run("docker", [
    ...["run", "--rm", "--network", "host", "--workdir", "/root", "--volume", `${at("follow")}:/follow:ro`],
    ...["--volume", `${at("busybox")}:/usr/bin/wget:ro`],
    ...["release.pub", "KEY.pub"].flatMap((name) => ["--volume", `${at("key.pub")}:/root/${name}:ro`]),
    ...["--volume", "/var/run/docker.sock:/var/run/docker.sock", FULL_GIT_IMAGE, "sh", "/follow"],
  ]);
  const said = stdout.split("\n");
  assert.ok(said.some((line) => /^Succeeded in /.test(line)), stdout + stderr);
  assert.match(stderr, new RegExp(`^Installed flutter-ci ${version} `, "m"));
  assert.equal(said.filter((line) => line.startsWith(`${version} (commit `)).length, 3, stdout);
  assert.ok(said.includes(`flutter-ci-${version}-linux-x64.tar.gz: OK`), stdout);
  assert.match(said.at(-2) ?? "", /^Good "flutter-ci-release" signature for release /);
});

for (const target of TARGETS as (keyof typeof BARE)[]) {
  /** Runs a script in a root with a C library and busybox, on this host's network, with Docker's socket. */
  const inBareRoot = (script: string, ...flags: string[]) =>
    run("docker", [
      ...["run", "--rm", "--network", "host", "--env", "HOME=/tmp", "--workdir", "/tmp"],
      ...["--env", "PATH=/opt/ci/bin:/bin", "--volume", `${unpacked(target)}:/opt/ci:ro`],
      ...[
        "--volume",
        "/var/run/docker.sock:/var/run/docker.sock",
        ...flags,
        BARE[target],
        "sh",
        "-ec",
        script,
      ],
    ]);

  test(
    `${target}: flutter-ci builds a project in a root with a C library and nothing else`,
    async () => {
      makeRepository(at(`repo-${target}`), { "hello.txt": "hello\n" });
      const { stdout } = await inBareRoot(
        `flutter-ci --version; flutter-ci run --help; container-start --help
      flutter-ci run --image ${TEST_IMAGE} --pull never -a '*.txt' -o /tmp/kept /repo -- cp hello.txt copy.txt
      cat /tmp/kept/copy.txt`,
        ...["--volume", `${at(`repo-${target}`)}:/repo:ro`],
      );
      assert.match(stdout, new RegExp(`^${shared.version} \\(commit [0-9a-f]{12}, ${target}\\)\\n`));
      assert.match(stdout, /^Succeeded in .*\nhello\n$|^Succeeded in [^]*\nhello\n$/m);
    },
  );

  test(`${target}: the four drivers and a control plane build one over NATS there`, async () => {
    using remote = remoteRepository({ makes: "made.txt" });
    await using nats = await startNats();
    const api = `127.0.0.1:${await freePort()}`;
    const { stdout } = await inBareRoot(
      `flutter-ci up --nats ${nats.url} --listen ${api} --drivers none & processes=$!
      for driver in ${
        DRIVERS.join(" ")
      }; do $driver --nats ${nats.url} --api http://${api} & processes="$processes $!"; done
      until [ -s /tmp/.local/state/flutter-ci/token ]; do kill -0 $processes; sleep 0.1; done
      flutter-ci submit --api http://${api} --image ${remote.image} --pull never -c make -a made.txt -o /tmp/kept ${remote.url}
      cat /tmp/kept/made.txt
      kill $processes
      wait`,
    );
    assert.match(stdout, /^Succeeded in [^]*\nmade\n$/m);
  });
}
