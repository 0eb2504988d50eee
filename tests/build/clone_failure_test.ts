import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFacts } from "../../lib/build/git/clone-facts.ts";
import { cloneFailure } from "../../lib/build/git/clone-failure.ts";
import { CLONE_EXIT } from "../../lib/build/git/clone-script.ts";
import { planBuild } from "../../lib/build/plan.ts";
import { testPolicy, testSettings } from "../support/settings.ts";

const plan = (repository = "https://git.example.org/app.git") =>
  planBuild({ repository, image: "debian:12" }, { ...testSettings(), ...testPolicy() });
const failure = (code: number, facts: string[], repository?: string) =>
  cloneFailure(code, facts.join("\n"), { plan: plan(repository), image: "debian:12" });
const error = (message: string, format = message) =>
  `error=${JSON.stringify({ event: "error", msg: message, fmt: format })}`;
const ROOM = "blocks=overlay 263112640 16777216 79691776 18% /";

test("parseFacts takes a full disk from the kernel's answer in git's own text, whatever a name in it says", () => {
  const space = "No space left on device";
  assert.ok(parseFacts(error(`write error: ${space}`)).isDiskFull);
  assert.ok(
    parseFacts(
      error("sha1 file 'x' write error. Out of diskspace", "sha1 file '%s' write error. Out of diskspace"),
    )
      .isDiskFull,
  );
  assert.ok(!parseFacts(error(`remote error: ${space}`, "remote error: %s")).isDiskFull);
  assert.ok(
    !parseFacts(error(`pathspec 'x: ${space}' did not match`, "pathspec '%s' did not match")).isDiskFull,
  );
  assert.ok(!parseFacts(`No space left on device\nerror=no JSON\nerror={"msg":"x: ${space}"}`).isDiskFull);
});

test("parseFacts takes a full disk from what df says is free, of blocks and of inodes", () => {
  assert.ok(!parseFacts(ROOM).isDiskFull);
  assert.ok(parseFacts("blocks=tmpfs 2048 2044 4 100% /workspace").isDiskFull);
  assert.ok(parseFacts("blocks=/dev/my disk 2048000 2048000 -5 100% /workspace").isDiskFull);
  assert.ok(parseFacts("inodes=tmpfs 100 100 0 100% /workspace").isDiskFull);
  // Some file systems do not count inodes, and say 0 of 0.
  assert.ok(!parseFacts("inodes=/dev/sda1 0 0 0 - /workspace").isDiskFull);
  assert.ok(!parseFacts("blocks=Filesystem 1024-blocks Used Available Capacity Mounted on").isDiskFull);
});

test("cloneFailure says that a repository is not there where its server says so, not where its text does", () => {
  const asked = (path: string, status: number) => [
    `http=12:00:00.1 http.c:684 => Send header: GET ${path} HTTP/1.1`,
    `http=12:00:00.2 http.c:684 <= Recv header: HTTP/2 ${status} `,
  ];
  const refs = "/app.git/info/refs?service=git-upload-pack";
  for (const status of [401, 403, 404]) {
    const { reason, message } = failure(CLONE_EXIT.clone, [
      error("repository 'x' not found"),
      ...asked(refs, status),
    ]);
    assert.equal(reason, "repository-not-found", String(status));
    assert.equal(
      message,
      "Cannot read the repository \"https://git.example.org/app.git\": repository 'x' not found",
    );
  }
  for (const facts of [asked(refs, 500), asked(refs, 200), asked("/app.git/objects/aa/bb", 404), []]) {
    assert.equal(failure(CLONE_EXIT.clone, [error("repository not found"), ...facts]).reason, "clone-failed");
  }
});

test("cloneFailure tells an ssh host that nobody knows, one that has changed, and one that wants another key", () => {
  const url = "ssh://git@git.example.org:2222/app.git";
  const line = "[git.example.org]:2222 ssh-ed25519 AAAAkey";
  const ssh = ["ssh=255", "host=git.example.org 2222"];
  const unknown = failure(CLONE_EXIT.clone, [...ssh, `host-offers=${line}`], url);
  assert.equal(unknown.reason, "clone-failed");
  assert.ok(unknown.message.endsWith(`--git-known-hosts this line: ${line}`), unknown.message);
  const silent = failure(CLONE_EXIT.clone, ssh, url);
  assert.match(silent.message, /what "ssh-keyscan -p 2222 git\.example\.org" prints$/);
  const known = [...ssh, "host-known=|1|hash|hash ssh-ed25519 AAAAkey"];
  assert.match(
    failure(CLONE_EXIT.clone, [...known, "host-offers=[git.example.org]:2222 ssh-ed25519 AAAAother"], url)
      .message,
    /another host key than the one that is known/,
  );
  assert.equal(
    failure(CLONE_EXIT.clone, [...known, `host-offers=${line}`], url).reason,
    "repository-not-found",
  );
  assert.equal(failure(CLONE_EXIT.clone, known, url).reason, "clone-failed");
  assert.equal(failure(CLONE_EXIT.clone, ["ssh=128", ...ssh.slice(1)], url).reason, "repository-not-found");
});

test("cloneFailure names the submodule that failed, with its URL", () => {
  const facts = [
    "submodule=third/lib",
    "submodule-url=https://git.example.org/lib.git",
    "submodule-says=../lib.git",
  ];
  const { reason, message } = failure(CLONE_EXIT.submodules, [error("fatal thing"), ...facts, ROOM]);
  assert.equal(reason, "clone-failed");
  assert.equal(
    message,
    'Cannot get the submodule "third/lib" from "https://git.example.org/lib.git": fatal thing',
  );
  const local = [facts[0] ?? "", "submodule-url=/lib.git", facts[2] ?? ""];
  assert.match(
    failure(CLONE_EXIT.submodules, local, "/srv/app").message,
    /from "\.\.\/lib\.git": the URL is relative to/,
  );
  assert.match(
    failure(CLONE_EXIT.noSsh, facts).message,
    /"debian:12" has no ssh, which the submodule "third\/lib"/,
  );
});
