import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnavailableError } from "../../lib/base/errors.ts";
import { needing } from "../support/needs.ts";
import { git } from "./received.ts";
import { inScene, link, readAll, refusal, removeTemplate } from "./hostile-scene.ts";

const { after, test } = needing();

after(removeTemplate);

test("a bare repository inside of another repository is refused, from any folder of it", async () => {
  await inScene(async ({ app, private: own }) => {
    const sub = join(app, "sub");
    git(app, "clone", "-q", "--bare", ".", "sub");
    for (const path of [sub, join(sub, "refs")]) {
      await assert.rejects(readAll(path), refusal(/bare repository inside of another repository/), path);
    }
    link(join(own, ".git", "refs", "heads"), join(sub, "refs", "tags"));
    writeFileSync(join(sub, "objects", "info", "alternates"), `${own}/.git/objects\n`);
    await assert.rejects(readAll(sub), refusal(/bare repository inside of another repository/));
    // Whatever it looks like to us, git would take it for one.
    link(join(own, ".git", "HEAD"), join(sub, "HEAD"));
    await assert.rejects(readAll(sub), refusal(/bare repository inside of another repository/));
  });
});

test("alternates are believed in a repository of the user's own with a work tree only", async () => {
  await inScene(async ({ top, app, private: own }) => {
    const alternates = `${own}/.git/objects\n`;
    const secret = git(own, "rev-parse", "HEAD");
    const borrow = (folder: string) => {
      writeFileSync(join(folder, "objects", "info", "alternates"), alternates);
      writeFileSync(join(folder, "refs", "heads", "main"), `${secret}\n`);
    };
    git(top, "clone", "-q", "--bare", "app", "bare");
    borrow(join(top, "bare"));
    await assert.rejects(
      readAll(join(top, "bare")),
      refusal(/alternates" borrows objects, which is believed/),
    );
    git(app, "clone", "-q", ".", "inner");
    borrow(join(app, "inner", ".git"));
    await assert.rejects(
      readAll(join(app, "inner")),
      refusal(/alternates" borrows objects, and the repository lies/),
    );
    borrow(join(app, ".git"));
    assert.ok((await readAll(app)).length > 0, "git clone --shared makes the same");
    writeFileSync(join(app, ".git", "objects", "info", "alternates"), `${top}/nowhere\n`);
    await assert.rejects(readAll(app), refusal(/nowhere", which cannot be read/));
  });
});

test("commondir and gitdir are believed where the other side says the same", async () => {
  await inScene(async ({ top, app, dotGit, private: own }) => {
    const theirs = join(own, ".git");
    const pointer = (target: string) => {
      rmSync(dotGit, { recursive: true, force: true });
      writeFileSync(dotGit, `gitdir: ${target}\n`);
    };
    writeFileSync(join(dotGit, "commondir"), `${theirs}\n`);
    await assert.rejects(readAll(app), refusal(/commondir" points elsewhere/));
    pointer(theirs);
    await assert.rejects(readAll(app), refusal(/another work tree's/));
    rmSync(dotGit);
    symlinkSync(theirs, dotGit);
    await assert.rejects(readAll(app), refusal(/another work tree's/));
    git(top, "clone", "-q", "--bare", "private", "bare");
    pointer(join(top, "bare"));
    await assert.rejects(readAll(app), refusal(/or a bare repository/));
    git(own, "worktree", "add", "-q", join(top, "tree"), "-b", "side");
    assert.ok((await readAll(join(top, "tree"))).length > 0);
    pointer(join(theirs, "worktrees", "tree"));
    await assert.rejects(readAll(app), refusal(/which is the work tree ".*tree"/));
    const admin = join(app, "worktrees", "forged");
    mkdirSync(join(admin, "objects"), { recursive: true });
    writeFileSync(join(admin, "HEAD"), "ref: refs/heads/main\n");
    writeFileSync(join(admin, "gitdir"), `${dotGit}\n`);
    writeFileSync(join(admin, "commondir"), `${theirs}\n`);
    pointer(admin);
    await assert.rejects(readAll(app), refusal(/commondir" points to/));
    for (const text of ["", "gitdir: ", "gitdir: /nonexistent", "gitdir: a\nb", "x".repeat(2_000_000)]) {
      writeFileSync(dotGit, text);
      await assert.rejects(
        readAll(app),
        refusal(/does not name a git folder|is not a git folder|is larger than/),
      );
    }
  });
});

const { geteuid } = process;
test("a repository of another user is refused, but for sudo and safe.directory", {
  needs: () => geteuid?.() !== 0 && "Only root can give files away",
}, async () => {
  await inScene(async ({ top, app, dotGit, private: own }) => {
    chownSync(app, 12345, 12345);
    await assert.rejects(readAll(app), refusal(/belongs to user 12345, not to us .*safe\.directory/));
    assert.ok((await readAll(app, { SUDO_UID: "12345" })).length > 0);
    const HOME = join(top, "home");
    mkdirSync(HOME);
    for (
      const [value, isSafe] of [["*", true], [app, true], [`${top}/*`, true], [own, false], [
        `*"\n\tdirectory = "`,
        false,
      ]] as const
    ) {
      writeFileSync(join(HOME, ".gitconfig"), `[safe]\n\tdirectory = "${value}"\n`);
      if (isSafe) assert.ok((await readAll(app, { HOME })).length > 0, value);
      else await assert.rejects(readAll(app, { HOME }), refusal(/safe\.directory/), value);
    }
    chownSync(app, 0, 0);
    writeFileSync(join(dotGit, "objects", "info", "alternates"), `${own}/.git/objects\n`);
    chownSync(join(own, ".git", "objects"), 12345, 12345);
    await assert.rejects(readAll(app), refusal(/belongs to somebody else/));
    rmSync(join(dotGit, "objects", "info", "alternates"));
    lchownSync(dotGit, 12345, 12345);
    await assert.rejects(readAll(app), refusal(/\.git" belongs to user 12345/));
  });
});

/** As root, it is another user who may not read, and who has to get there. */
const isClosed = geteuid?.() === 0 && (statSync(tmpdir()).mode & 0o001) === 0;
test("what may not be read is said, and an older packed ref never stands in for it", {
  needs: () => isClosed && "Other users cannot pass through the folder for temporary files",
}, async () => {
  await inScene(async ({ top, app, dotGit }) => {
    git(app, "pack-refs", "--all");
    writeFileSync(join(app, "f"), "newer");
    git(app, "commit", "-qam", "newer");
    const isRoot = geteuid?.() === 0;
    for (const place of ["refs/heads/main", "HEAD", "config", "packed-refs", "objects", "refs/tags"]) {
      const path = join(dotGit, place);
      const { mode } = statSync(path);
      if (isRoot) execFileSync("chown", ["-R", "65534", top]);
      if (isRoot) chownSync(path, 0, 0);
      chmodSync(path, isRoot ? 0o600 : 0);
      try {
        if (isRoot) process.seteuid?.(65534);
        await assert.rejects(readAll(app), (error: Error) => {
          assert.ok(error instanceof UnavailableError, String(error));
          return refusal(new RegExp(`Cannot read ".*/${place}.*EACCES`))(error);
        }, place);
      } finally {
        if (isRoot) process.seteuid?.(0);
        chmodSync(path, mode);
      }
    }
  });
});
