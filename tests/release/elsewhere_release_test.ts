import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeRepository } from "../cli/git-repository.ts";
import { root, runtime, temporaryFolder } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";
import { freePort } from "../support/nats-server.ts";
import { TEST_IMAGE } from "../support/test-image.ts";
import { run } from "./made-release.ts";

const ARM64_ROOT = join(root, ".tools/arm64");
const ARM64_MUSL_ROOT = join(root, ".tools/arm64-musl");
const TARGETS = ["linux-arm64", "linux-arm64-musl", "linux-x64"];
const { after, before, test } = needing("Docker", whyNotMade);

function whyNotMade(): string | false {
  if (runtime === "deno") return "What a release holds does not depend on the runtime of its tests";
  if (process.arch !== "x64") return "It is other processors than x64 that qemu is here for";
  if (!existsSync(join(root, ".tools/runtimes"))) {
    return "scripts/test has not fetched what a release is made of";
  }
  return ![ARM64_ROOT, ARM64_MUSL_ROOT].every(existsSync) &&
    "scripts/test has not fetched qemu and the C libraries of arm64";
}

const shared: { folder?: AsyncDisposable & { path: string }; version?: string; said?: string } = {};
const at = (...names: string[]) => join(shared.folder?.path ?? "", ...names);
const programOf = (target: string) => at(target, "bin/flutter-ci");

before(async () => {
  shared.folder = await temporaryFolder();
  shared.version = JSON.parse(await readFile(join(root, "package.json"), "utf8")).version;
  makeRepository(at("repository"), { "hello.txt": "hello\n" });
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const { stderr } = await run(join(root, "scripts/release"), [
    ...TARGETS.flatMap((target) => ["--target", target]),
    ...["--program", "flutter-ci"],
    ...["--with", "deno", "--out", at("release")],
  ], { env: { HTTPS_PROXY: nowhere, https_proxy: nowhere, DENO_DIR: at("deno"), DENORT_BIN: undefined } });
  shared.said = stderr;
  for (const target of TARGETS) {
    await mkdir(at(target));
    const archive = at("release", `flutter-ci-${shared.version}-${target}.tar.gz`);
    await run("tar", ["-xzf", archive, "-C", at(target), "--strip-components=1"]);
  }
});
after(() => shared.folder?.[Symbol.asyncDispose]());

test("a release without a runtime of Deno's says so, and has all else", async () => {
  for (const target of ["linux-arm64", "linux-x64"]) {
    assert.match(
      shared.said ?? "",
      new RegExp(`^· No flutter-ci on Deno for ${target}: error sending request for url .*/denort-`, "m"),
    );
  }
  const names = await readdir(at("release"));
  assert.deepEqual(names.filter((name) => name.includes("deno")), []);
  assert.equal(names.filter((name) => /^flutter-ci-.*\.tar\.gz$/.test(name)).length, TARGETS.length);
});

test(
  "a release holds flutter-ci on a runtime of Deno's that is here, without the packages that it does not need",
  async () => {
    await run(join(root, "scripts/release"), [
      ...["--target", "linux-x64", "--target", "linux-x64-musl", "--program", "container-stop"],
      ...["--with", "deno", "--out", at("with-deno")],
      // Deno takes any program for its runtime, and puts ours into it.
    ], { env: { DENORT_BIN: "/bin/true" } });
    const name = `flutter-ci-deno-${shared.version}-linux-x64`;
    await run("tar", ["-xzf", at("with-deno", `${name}.tar.gz`), "-C", at()]);
    const made = await readFile(at(name, "bin/flutter-ci"));
    assert.ok(made.includes("Flutter CI is a continuous integration tool"));
    assert.ok(made.length < 6_000_000, `${made.length}`);
  },
);

for (
  const { what, target, qemu } of [
    { what: "arm64", target: "linux-arm64", qemu: ["qemu-aarch64-static", "-L", ARM64_ROOT] },
    {
      what: "arm64 with musl",
      target: "linux-arm64-musl",
      qemu: ["qemu-aarch64-static", "-L", ARM64_MUSL_ROOT],
    },
    { what: "x64 without AVX2", target: "linux-x64", qemu: ["qemu-x86_64-static", "-cpu", "Nehalem"] },
  ]
) {
  test(
    `flutter-ci says its version, helps, and builds a project on ${what}, under qemu`,
    async () => {
      const [emulator = "", ...flags] = qemu;
      const call = (...words: string[]) =>
        run(emulator, [...flags, programOf(target), ...words], { env: { HOME: at("home") } });
      assert.match(
        (await call("--version")).stdout,
        new RegExp(`^${shared.version} \\(commit .*, ${target}\\)\\n$`),
      );
      assert.match((await call("--help")).stdout, /^Flutter CI is a continuous integration tool/);
      const kept = at(`kept-${target}`);
      const { stdout } = await call(
        ...["run", "--image", TEST_IMAGE, "--pull", "never", "-a", "copy.txt", "-o", kept, at("repository")],
        ...["--", "cp", "hello.txt", "copy.txt"],
      );
      assert.match(stdout, /^Succeeded in /m);
      assert.equal(await readFile(join(kept, "copy.txt"), "utf8"), "hello\n");
    },
  );
}

/**
 * System calls that Linux got after 3.10, the oldest kernel with a C library that the programs start with, or
 * Docker.
 */
const LATER_CALLS = [
  ...[
    "sched_setattr",
    "sched_getattr",
    "renameat2",
    "seccomp",
    "getrandom",
    "memfd_create",
    "bpf",
    "execveat",
  ],
  ...[
    "userfaultfd",
    "membarrier",
    "mlock2",
    "copy_file_range",
    "preadv2",
    "pwritev2",
    "pkey_mprotect",
    "pkey_alloc",
  ],
  ...["pkey_free", "statx", "rseq", "io_pgetevents", "pidfd_send_signal", "io_uring_setup", "io_uring_enter"],
  ...[
    "io_uring_register",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "pidfd_open",
    "clone3",
  ],
  ...[
    "openat2",
    "pidfd_getfd",
    "faccessat2",
    "close_range",
    "process_madvise",
    "epoll_pwait2",
    "futex_waitv",
  ],
  ...["fchmodat2", "mount_setattr", "landlock_create_ruleset", "memfd_secret", "process_mrelease"],
];

test("flutter-ci builds a project with the system calls of Linux 3.10 alone", async () => {
  const ENOSYS = 38;
  const syscalls = [{ names: LATER_CALLS, action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS }];
  await writeFile(at("seccomp.json"), JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls }));
  const old = (...words: string[]) =>
    run("docker", ["run", "--rm", "--security-opt", `seccomp=${at("seccomp.json")}`, ...words]);
  const getrandom = "perl -e 'syscall(318, my $bytes = \"x\" x 8, 8, 0) < 0 and print $!+0'";
  const { stdout: refused } = await old(TEST_IMAGE, "sh", "-c", getrandom);
  assert.equal(refused, `${ENOSYS}`);
  const { stdout } = await old(
    ...["--network", "host", "--env", "HOME=/tmp", "--workdir", "/tmp"],
    ...["--volume", `${at("linux-x64")}:/opt/ci:ro`, "--volume", `${at("repository")}:/repo:ro`],
    ...["--volume", "/var/run/docker.sock:/var/run/docker.sock", "conveyor-bare:glibc", "sh", "-ec"],
    `/opt/ci/bin/flutter-ci run --image ${TEST_IMAGE} --pull never -a copy.txt -o kept /repo -- cp hello.txt copy.txt
     cat kept/copy.txt`,
  );
  assert.match(stdout, /^Succeeded in [^]*\nhello\n$/m);
});
