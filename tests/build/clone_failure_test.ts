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
  assert.ok(parseFacts("blocks=tmpfs 2048 1025 1023 50% /workspace").isDiskFull);
  assert.ok(!parseFacts("blocks=tmpfs 2048 1024 1024 50% /workspace").isDiskFull);
  assert.ok(parseFacts("inodes=tmpfs 100 100 0 100% /workspace").isDiskFull);
  assert.ok(!parseFacts("inodes=tmpfs 100 99 1 99% /workspace").isDiskFull);
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

test("cloneFailure gives each exit of the script its reason and names what lacks", () => {
  const cases: [code: number, facts: string[], reason: string, message: RegExp][] = [
    [CLONE_EXIT.noGit, [], "image-unusable", /^The image "debian:12" has no git: use one that has/],
    [CLONE_EXIT.noSsh, [], "image-unusable", /has no ssh, which this repository's URL needs$/],
    [CLONE_EXIT.workspace, [error("x")], "clone-failed", /^Cannot prepare the workspace: x$/],
    [CLONE_EXIT.ref, [error("x")], "ref-not-found", /has no branch, tag or commit "undefined"$/],
    [CLONE_EXIT.empty, [error("x")], "ref-not-found", /^The repository has no commit at its HEAD$/],
    [CLONE_EXIT.checkout, [error("x\ny")], "clone-failed", /^Cannot check out: x$/],
    [CLONE_EXIT.noLfs, [], "image-unusable", /has no git-lfs, which spec\.lfs/],
    [CLONE_EXIT.lfs, [error("x")], "clone-failed", /^Cannot get the files of Git LFS: x$/],
    [CLONE_EXIT.lfs, ["lfs-url="], "clone-failed", /Git LFS: the repository came from no https or ssh URL$/],
    [CLONE_EXIT.lfs, ["lfs-url=https://l.org"], "clone-failed", /Git LFS from "https:\/\/l\.org"$/],
    [
      CLONE_EXIT.lfs,
      [
        "lfs-url=https://l.org",
        error("unable to resolve"),
        "lfs-failed=2 git lfs fetch",
        "lfs-missing=1 3 a b",
        "lfs-said=one",
        "lfs-said=two",
      ],
      "clone-failed",
      /^Cannot get .* from "https:\/\/l\.org": "git lfs fetch" exited with 2; 1 of 3 files has no content here, such as "a b"; its last lines were: one \| two$/,
    ],
    [
      CLONE_EXIT.lfs,
      [error("x"), "lfs-failed=128 git x", "lfs-missing=0 3 "],
      "clone-failed",
      /LFS: "git x" exited with 128$/,
    ],
    [CLONE_EXIT.submodules, [error("x")], "clone-failed", /^Cannot get the submodules: x$/],
    [CLONE_EXIT.noTool, ["signature-tool=user"], "image-unusable", /has no name in the image "debian:12"/],
    [CLONE_EXIT.noTool, [], "image-unusable", /^The gpg of the image "debian:12" does not take the keys/],
    [CLONE_EXIT.noTool, ["signature-tool=gpg"], "image-unusable", /"debian:12" has no gpg, which/],
    [CLONE_EXIT.clone, ["no-https=1"], "image-unusable", /has no part for https \(git-remote-https\)$/],
    [CLONE_EXIT.checkout, ["inodes=tmpfs 100 100 0 100% /w"], "disk-full", /^The disk is full$/],
  ];
  for (const [code, facts, reason, message] of cases) {
    const found = failure(code, facts);
    assert.equal(found.reason, reason, found.message);
    assert.match(found.message, message);
    assert.deepEqual(found.data, { exitCode: code });
  }
});

test("cloneFailure says whose signers a commit's signature is not of", () => {
  const said = (facts: string[], signers?: object) =>
    cloneFailure(CLONE_EXIT.unsigned, facts.join("\n"), {
      plan: plan(),
      image: "debian:12",
      ...signers && { signers: signers as never },
    });
  const id = "c0ffee".padEnd(40, "0");
  assert.equal(said([`unsigned=${id}`]).reason, "not-signed");
  assert.match(
    said([`unsigned=${id}`]).message,
    /^The commit c0ffee000000 is not signed, which spec\.verify/,
  );
  assert.match(said([`unsigned=${id}`], {}).message, /which --verify-signatures asks for$/);
  assert.match(
    said([`unverified=${id}`, "unverified-by=0"], {}).message,
    /of a key in --verify-signatures that/,
  );
  assert.match(
    said([`unverified=${id}`, "unverified-by=1"], {}).message,
    /of a key in spec\.verifySignatures /,
  );
});

test("cloneFailure tells what a submodule's server answered, and whom its host's key is of", () => {
  const of = ["submodule=lib", "submodule-url=ssh://git@h.org/lib.git", "submodule-says=../lib.git"];
  const ssh = ["ssh=255", "host=h.org 22"];
  const unknown = failure(CLONE_EXIT.submodules, [...of, ...ssh]);
  assert.match(
    unknown.message,
    /^Cannot get the submodule "lib" from "ssh:.*: The host key of "h\.org" is not known/,
  );
  assert.match(unknown.message, /what "ssh-keyscan h\.org" prints$/);
  const refused = failure(CLONE_EXIT.submodules, [...of, "ssh=1"]);
  assert.equal(refused.reason, "repository-not-found");
  assert.equal(failure(CLONE_EXIT.submodules, [...of, "ssh=0"]).reason, "clone-failed");
  // Only a local repository has an origin that the URL is relative to.
  const relative = [of[0] ?? "", "submodule-url=/lib.git", "submodule-says=../lib.git"];
  assert.doesNotMatch(failure(CLONE_EXIT.submodules, relative).message, /relative/);
  for (const url of ["https://o.org/lib.git", "git@o.org:lib.git"]) {
    const absolute = [of[0] ?? "", `submodule-url=${url}`, "submodule-says=../lib.git"];
    assert.doesNotMatch(failure(CLONE_EXIT.submodules, absolute, "/srv/app").message, /relative/);
  }
  const own = [of[0] ?? "", "submodule-url=/lib.git", "submodule-says=/lib.git"];
  assert.doesNotMatch(failure(CLONE_EXIT.submodules, own, "/srv/app").message, /relative/);
});

test("cloneFailure takes no key of an authority for another one, and shows the kind of key that hosts prefer", () => {
  const ssh = ["ssh=255", "host=h.org 22"];
  const offers = ["host-offers=h.org ssh-rsa AAAA", "host-offers=h.org ssh-ed25519 BBBB"];
  assert.match(failure(CLONE_EXIT.clone, [...ssh, ...offers]).message, /this line: h\.org ssh-ed25519 BBBB$/);
  assert.match(
    failure(CLONE_EXIT.clone, [...ssh, ...offers.slice(0, 1)]).message,
    /this line: h\.org ssh-rsa/,
  );
  const signed = [...ssh, ...offers, "host-known=@cert-authority *.org ssh-rsa CCCC"];
  assert.equal(failure(CLONE_EXIT.clone, signed).reason, "repository-not-found");
  const both = [...ssh, ...offers, "host-known=h.org ssh-dss CCCC", "host-known=h.org ssh-rsa AAAA"];
  assert.equal(failure(CLONE_EXIT.clone, both).reason, "repository-not-found");
  const marked = [...ssh, ...offers, "host-known=@revoked h.org ssh-rsa AAAA"];
  assert.equal(failure(CLONE_EXIT.clone, marked).reason, "repository-not-found");
});
