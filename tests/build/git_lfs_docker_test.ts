import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { parseAuthorities } from "../../lib/build/authorities/parse.ts";
import { idleName } from "../../lib/build/labels.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { FULL_GIT_IMAGE, noFullGit } from "../support/full-git-image.ts";
import { httpsRepository } from "../support/https-repository.ts";
import { lfsPointer, oidOf, storeLfs } from "../support/lfs.ts";
import { testPolicy } from "../support/settings.ts";
import { resourceOf, TEST_IMAGE } from "../support/step-context.ts";
import { build, repository } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker", noFullGit);

const TOKEN = "a-token-that-nobody-else-has";
const authorities = parseAuthorities(TEST_CERTIFICATE.cert);
const policy = testPolicy({
  allowNetworks: ["host"],
  authorities,
  gitTokens: { "127.0.0.1": TOKEN, "localhost": TOKEN },
  gitImage: FULL_GIT_IMAGE,
});
const ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
const LARGE = "large ".repeat(1000);
const OTHER = "other\n";
const FILES = {
  ".gitattributes": ATTRIBUTES,
  "a.bin": lfsPointer(OTHER),
  "far/large.bin": lfsPointer(LARGE),
  "sub, of it/b c.bin": lfsPointer(OTHER),
  "whole.bin": "content\n",
  "about.txt": lfsPointer(OTHER),
};
const spec = { network: "host", depth: 0, image: TEST_IMAGE, lfs: true };
const sh = (container: string, script: string) =>
  execFileSync("docker", ["exec", container, "sh", "-c", script], { encoding: "utf8" });
/** What git finds changed. */
const CHANGED = "git -c safe.directory='*' status --short";

test(
  "git-cloner gets the files of Git LFS with the token of the repository's host, and leaves nothing changed",
  async () => {
    const submodules = [{ path: "module", url: "../app.git" }];
    const served = { token: TOKEN, lfs: [LARGE, OTHER], submodules, host: "localhost" } as const;
    await using remote = await httpsRepository(FILES, served);
    // The token's host, however it is written.
    const url = remote.url.replace("localhost", "LocalHost");
    await build({ ...spec, repository: url, submodules: true }, async ({ step, run }) => {
      const container = idleName(run);
      assert.ok((await step(containerStart, { policy })).result?.success);
      const { result, failure, lines } = await step(gitCloner, { policy });
      assert.ok(result?.success, [failure?.message ?? "", ...lines].join("\n"));
      const files = 'cat a.bin far/large.bin "sub, of it/b c.bin" whole.bin; head -c 7 about.txt';
      const content = `${OTHER}${LARGE}${OTHER}content\nversion`;
      assert.equal(sh(container, `${files}; ${CHANGED}`), content);
      assert.equal(sh(container, `cd module; ${files}`), content);
      const said = `stderr Git LFS: fetching the content of 3 files from ${url}/info/lfs`;
      assert.equal(lines.filter((line) => line === said).length, 2, lines.join("\n"));

      const sparse = { ...spec, repository: url, sparse: ["sub, of it"] };
      remote.lfsObjects.length = 0;
      assert.ok((await step(gitCloner, { policy, resource: resourceOf(sparse) })).result?.success);
      assert.equal(
        sh(container, `cat a.bin "sub, of it/b c.bin"; ls far 2>&1; ${CHANGED}`),
        `${OTHER}${OTHER}ls: cannot access 'far': No such file or directory\n`,
      );
      assert.equal(new Set(remote.lfsObjects).size, 1);
    });
  },
);

test("git-cloner gets the files of Git LFS of a folder from where it came, and names what no server has", async () => {
  await using remote = await httpsRepository({ "a.txt": "a" }, { token: TOKEN, lfs: [OTHER] });
  using app = repository({ ".gitattributes": ATTRIBUTES, "b.bin": lfsPointer(OTHER) });
  const git = (...words: string[]) => execFileSync("git", ["-C", app.path, ...words]);
  await build({ ...spec, repository: app.path }, async ({ step, run }) => {
    assert.ok((await step(containerStart, { policy })).result?.success);
    const nowhere = await step(gitCloner, { policy });
    assert.equal(nowhere.failure?.reason, "clone-failed");
    assert.match(nowhere.failure?.message ?? "", /Git LFS: the repository came from no https or ssh URL$/);
    git("remote", "add", "origin", remote.url);
    const { result, lines } = await step(gitCloner, { policy });
    assert.ok(result?.success, lines.join("\n"));
    const text = execFileSync("docker", ["exec", idleName(run), "cat", "b.bin"], { encoding: "utf8" });
    assert.equal(text, OTHER);

    git("config", "remote.origin.url", remote.url.replace("app.git", "none.git"));
    const missing = await step(gitCloner, { policy });
    assert.equal(missing.failure?.reason, "clone-failed");
    assert.match(
      missing.failure?.message ?? "",
      /^Cannot get the files of Git LFS from "https:.*none\.git\/info\/lfs": "git lfs fetch" exited with [1-9]\d*; 1 of 1 file has no content here, such as "b\.bin"; its last lines were: .* not found: .* \| error: failed to fetch [^|]*$/,
    );
  });
});

test("git-cloner needs no server for the files of Git LFS whose content is on this machine", async () => {
  const files = { ".gitattributes": ATTRIBUTES, "a.bin": lfsPointer(OTHER), "b.bin": lfsPointer(LARGE) };
  using app = repository(files);
  using module = repository(files);
  const git = (...words: string[]) =>
    execFileSync("git", ["-C", app.path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...words]);
  git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--name", "sub", module.path, "sub");
  git("commit", "-qm", "submodule");
  const gitFolder = join(app.path, ".git");
  for (const folder of [gitFolder, join(gitFolder, "modules/sub")]) {
    [OTHER, LARGE].forEach((content) => storeLfs(folder, content));
  }
  const offline = { repository: app.path, image: FULL_GIT_IMAGE, network: "none", lfs: true };
  await build({ ...offline, submodules: true }, async ({ step, run }) => {
    assert.ok((await step(containerStart)).result?.success);
    const said = "stderr Git LFS: the content of 2 files is taken from this machine";
    for (const origin of [undefined, "https://127.0.0.1:9/app.git"]) {
      if (origin !== undefined) git("remote", "add", "origin", origin);
      const { result, failure, lines } = await step(gitCloner);
      assert.ok(result?.success, [failure?.message ?? "", ...lines].join("\n"));
      assert.deepEqual(lines.filter((line) => line.includes("Git LFS")), [said, said]);
      const content = sh(idleName(run), `cat a.bin b.bin sub/a.bin sub/b.bin; ${CHANGED}`);
      assert.equal(content, `${OTHER}${LARGE}`.repeat(2));
    }
    storeLfs(gitFolder, LARGE, LARGE.toUpperCase());
    const { failure, lines } = await step(gitCloner);
    assert.equal(failure?.reason, "clone-failed");
    assert.match(
      failure?.message ?? "",
      /^Cannot get the files of Git LFS from "https:.*:9\/app\.git\/info\/lfs": .* 1 of 2 files has no content here, such as "b\.bin"; its last lines were: .* connection refused /,
    );
    assert.ok(lines.some((line) => line.includes(`its content has another hash: ${oidOf(LARGE)}`)));
  });
});

test("a failure names no server for Git LFS if nothing was to be fetched", async () => {
  const pointer = lfsPointer(OTHER);
  const line = `oid sha256:${oidOf(OTHER)}\n`;
  const cloned = async (odd: string) => {
    let [message, log]: [string, string[]] = ["", []];
    using app = repository({ ".gitattributes": ATTRIBUTES, "a.bin": pointer, "b.bin": odd });
    storeLfs(join(app.path, ".git"), OTHER);
    const offline = { repository: app.path, image: FULL_GIT_IMAGE, network: "none", lfs: true };
    await build(offline, async ({ step }) => {
      assert.ok((await step(containerStart)).result?.success);
      const { failure, lines } = await step(gitCloner);
      message = failure?.message ?? "";
      log = lines.filter((line) => line.includes("Git LFS"));
    });
    return { message, log };
  };
  const taken = (files: string) => `stderr Git LFS: the content of ${files} is taken from this machine`;
  // git-lfs does not have the extension.
  const extended = await cloned(pointer.replace(line, `ext-0-none sha256:${"0".repeat(64)}\n${line}`));
  assert.match(
    extended.message,
    /^Cannot get the files of Git LFS: "git checkout-index" exited with 128; its last lines were: .*b\.bin: smudge filter lfs failed$/,
  );
  assert.deepEqual(extended.log, [taken("2 files")]);
  const twice = await cloned(pointer + line);
  assert.equal(twice.log[0], taken("2 files"));
  const otherSize = await cloned(pointer.replace(/[0-9]+\n$/, "1\n"));
  assert.match(otherSize.message, /Git LFS: the repository came from no https or ssh URL$/);
  assert.deepEqual(otherSize.log, [taken("1 file")]);
});

test("git-cloner fetches what this machine does not have, or has damaged", async () => {
  const contents = ["on this machine\n", "damaged\n", "of another size\n", "missing\n"];
  const [here = "", damaged = "", resized = "", missing = ""] = contents;
  await using remote = await httpsRepository({ "a.txt": "a" }, { token: TOKEN, lfs: contents });
  using app = repository({
    ".gitattributes": ATTRIBUTES,
    ...Object.fromEntries(contents.map((content, i) => [`${i}.bin`, lfsPointer(content)])),
  });
  execFileSync("git", ["-C", app.path, "remote", "add", "origin", remote.url]);
  const gitFolder = join(app.path, ".git");
  storeLfs(gitFolder, here);
  storeLfs(gitFolder, damaged, damaged.toUpperCase());
  storeLfs(gitFolder, resized, "short");
  await build({ ...spec, repository: app.path }, async ({ step, run }) => {
    assert.ok((await step(containerStart, { policy })).result?.success);
    const { result, failure, lines } = await step(gitCloner, { policy });
    assert.ok(result?.success, [failure?.message ?? "", ...lines].join("\n"));
    assert.equal(sh(idleName(run), `cat *.bin; ${CHANGED}`), contents.join(""));
    assert.deepEqual(new Set(remote.lfsObjects), new Set([damaged, resized, missing].map(oidOf)));
    assert.deepEqual(lines.filter((line) => line.includes("content of")), [
      "stderr Git LFS: the content of 1 file is taken from this machine",
      `stderr Git LFS: fetching the content of 3 files from ${remote.url}/info/lfs`,
    ]);
  });
});

test(
  "no .lfsconfig sends a token to another host or port, or has anything but https read",
  async () => {
    await using thief = await httpsRepository({ "a.txt": "a" }, { token: "another", lfs: [OTHER] });
    await build(spec, async ({ step }) => {
      assert.ok((await step(containerStart, { policy })).result?.success);
      const cloned = async (lfsUrl: string) => {
        await using remote = await httpsRepository({
          ".gitattributes": ATTRIBUTES,
          "b.bin": lfsPointer(OTHER),
          ".lfsconfig":
            `[lfs]\n\turl = "${lfsUrl}"\n\tstandalonetransferagent = evil\n\tskipdownloaderrors = true\n` +
            '[lfs "customtransfer.evil"]\n\tpath = /bin/false\n',
        }, { token: TOKEN, lfs: [OTHER] });
        const resource = resourceOf({ ...spec, repository: remote.url });
        return await step(gitCloner, { policy, resource });
      };
      for (const host of ["127.0.0.1", "localhost"]) {
        const { failure } = await cloned(`${thief.url.replace("127.0.0.1", host)}/info/lfs`);
        assert.equal(failure?.reason, "clone-failed");
        assert.deepEqual([...thief.logins], [undefined], host);
        thief.logins.clear();
      }
      for (const url of ["file:///srv/lfs", "https://evil%0ahost=127.0.0.1/x", "https://me:pw@127.0.0.1/x"]) {
        const { result, lines } = await cloned(url);
        assert.ok(result?.success, lines.join("\n"));
        assert.ok(
          lines.some((line) => line.includes(`the .lfsconfig names "${url}", which is not used: `)),
          url,
        );
      }
    });
  },
);

test("no folder of a commit that looks like a repository has git run anything", async () => {
  // The path of the submodule reads as two folders, of which the commit fills the second.
  const submodules = [{ name: "odd", path: "odd\n/workspace/inner", url: "../app.git" }];
  const inner = {
    "inner/HEAD": "ref: refs/heads/main\n",
    "inner/objects/keep": "",
    "inner/refs/keep": "",
    "inner/config":
      "[core]\n\trepositoryformatversion = 0\n\tworktree = .\n\tfsmonitor = touch /workspace/ran; false\n",
  };
  await using remote = await httpsRepository({ ...inner, "a.txt": "a" }, { token: TOKEN, submodules });
  await build({ ...spec, repository: remote.url, submodules: true }, async ({ step, run }) => {
    assert.ok((await step(containerStart, { policy })).result?.success);
    const { failure, lines } = await step(gitCloner, { policy });
    assert.equal(sh(idleName(run), "ls -d inner ran 2>/dev/null || true"), "inner\n", lines.join("\n"));
    assert.equal(failure?.reason, "clone-failed", lines.join("\n"));
    assert.match(lines.join("\n"), /Git LFS: the path of a submodule has a line end in it/);
  });
});

test("git-cloner says that an image has no git-lfs only where it needs it", async () => {
  using app = repository({ ".gitattributes": ATTRIBUTES, "whole.bin": "content\n" });
  await build({ repository: app.path, lfs: true, image: TEST_IMAGE }, async ({ step, run }) => {
    assert.ok((await step(containerStart)).result?.success);
    assert.ok((await step(gitCloner)).result?.success);
    using other = repository({ ".gitattributes": ATTRIBUTES, "b.bin": lfsPointer(OTHER) });
    const resource = resourceOf({ repository: other.path, lfs: true, image: TEST_IMAGE });
    for (const isHere of [false, true]) {
      if (isHere) storeLfs(join(other.path, ".git"), OTHER);
      const { failure } = await step(gitCloner, { resource });
      assert.equal(failure?.reason, "image-unusable");
      assert.match(
        failure?.message ?? "",
        /^The image ".*" has no git-lfs, which spec\.lfs \(--lfs\) needs: /,
      );
    }
    assert.equal(sh(idleName(run), "find .git/lfs 2>/dev/null || true"), "", "no content was received");
  });
});
