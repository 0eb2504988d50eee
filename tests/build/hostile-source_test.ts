import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { InputError, messageOf, UnavailableError } from "../../lib/base/errors.ts";
import { openLocalSource } from "../../lib/build/git/local-source.ts";
import { resolveCommit } from "../../lib/build/git/local/resolve-commit.ts";
import {
  ID_DELTA,
  OFFSET_DELTA,
  packDistance,
  packHeader,
  TYPES,
} from "../../lib/build/git/objects/format.ts";
import { sourceStream } from "../../lib/build/git/source-stream.ts";
import { snapshotWorkTree } from "../../lib/cli/shared/request/uncommitted.ts";
import { needing } from "../support/needs.ts";
import { craftLoose, craftPack } from "./craft-pack.ts";
import { makeOriginals, readMutated } from "./mutated-source.ts";
import { git, receive } from "./received.ts";

const { after, test } = needing();

/**
 * What an attacker wants: a repository, a key and a folder of the user's, beside the repository that is
 * built.
 */
interface Scene {
  readonly top: string;
  readonly app: string;
  readonly dotGit: string;
  readonly private: string;
}

/** Made by the first scene and copied for each, which is quicker than a dozen processes. */
const template: { path?: string } = {};
after(() => {
  if (template.path !== undefined) rmSync(template.path, { recursive: true, force: true });
});

function makeTemplate(): string {
  const top = mkdtempSync(join(tmpdir(), "hostile-"));
  for (const name of ["app", "private"]) {
    git(top, "init", "-q", "--template=", name);
    writeFileSync(join(top, name, "f"), name);
    git(join(top, name), "add", ".");
    git(join(top, name), "commit", "-qm", name);
  }
  git(join(top, "app"), "tag", "v1");
  return top;
}

async function inScene(work: (scene: Scene) => Promise<void> | void): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "hostile-"));
  try {
    cpSync(template.path ??= makeTemplate(), top, { recursive: true });
    const app = join(top, "app");
    await work({ top, app, dotGit: join(app, ".git"), private: join(top, "private") });
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

/** Everything that a build reads of a repository. */
async function readAll(
  path: string,
  environment: Record<string, string> = {},
  ref?: string,
): Promise<Buffer> {
  const source = await openLocalSource(path, { environment });
  const pinned = resolveCommit(source, ref);
  snapshotWorkTree(source);
  if (!pinned) throw new InputError("There is no such ref");
  const { signal } = new AbortController();
  const chunks: Uint8Array[] = [];
  for await (const chunk of sourceStream(source, { pinned, depth: 0, signal })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function refusal(message: RegExp) {
  return (error: Error) => {
    assert.ok(error instanceof InputError || error instanceof UnavailableError, String(error.stack));
    assert.match(messageOf(error), message);
    return true;
  };
}

const link = (target: string, path: string) => {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
};
const fifo = (path: string) => {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  execFileSync("mkfifo", [path]);
};

test("a link out of the git folder is refused wherever it stands", async () => {
  const places: Record<string, string> = {
    "config": "config",
    "HEAD": "HEAD",
    "index": "index",
    "packed-refs": "packed-refs",
    "shallow": "shallow",
    "info/exclude": "info/exclude",
    "info": "info",
    "objects": "objects",
    "objects/pack": "objects/pack",
    "objects/info/alternates": "config",
    "refs": "refs",
    "refs/heads": "refs/heads",
    "refs/tags": "refs/heads",
    "refs/tags/v1": "refs/heads/main",
    "refs/tags/key": "config",
    "refs/heads/main": "refs/heads/main",
  };
  for (const [place, target] of Object.entries(places)) {
    await inScene(async (scene) => {
      const absolute = join(scene.private, ".git", target);
      const relative = join("../".repeat(place.split("/").length + 1), "private/.git", target);
      for (const to of [absolute, relative, "/dev/zero"]) {
        link(to, join(scene.dotGit, place));
        await assert.rejects(
          readAll(scene.app),
          refusal(/leads out of|no HEAD|not in a git repository/),
          `${place} -> ${to}`,
        );
      }
    });
  }
});

test("an object that is a link out of the git folder is refused, whatever it is", async () => {
  await inScene(async ({ app, dotGit, private: own }) => {
    const id = git(app, "rev-parse", "HEAD:f");
    const name = `objects/${id.slice(0, 2)}/${id.slice(2)}`;
    link(join(own, ".git", "config"), join(dotGit, name));
    await assert.rejects(readAll(app), refusal(/leads out of/));
    link(join(own, ".git", "objects", id.slice(0, 2)), join(dotGit, dirname(name)));
    await assert.rejects(readAll(app), refusal(/leads out of|is missing/));
  });
});

test("what is no regular file is refused with its path, and never waited for", async () => {
  const places = [
    "config",
    "HEAD",
    "index",
    "packed-refs",
    "shallow",
    "info/exclude",
    "objects/info/alternates",
    "objects/pack",
    "objects/pack/pack-1.idx",
    "refs/heads/main",
    "refs/tags/v1",
    "refs/remotes",
  ];
  for (const place of places) {
    await inScene(async ({ app, dotGit }) => {
      fifo(join(dotGit, place));
      if (place.startsWith("objects/pack/")) writeFileSync(join(dotGit, "objects/pack/pack-1.pack"), "");
      await assert.rejects(
        readAll(app),
        refusal(new RegExp(`${place}(?:/HEAD)?".*expected a|no HEAD`)),
        place,
      );
    });
  }
  await inScene(async ({ app, dotGit }) => {
    renameSync(dotGit, join(app, "moved"));
    fifo(dotGit);
    await assert.rejects(readAll(app), refusal(/\.git" is neither a folder nor a file/));
  });
});

test("files that are too large for what they are are refused, however large", async () => {
  for (
    const place of ["config", "HEAD", "packed-refs", "shallow", "objects/info/alternates", "refs/heads/main"]
  ) {
    await inScene(async ({ app, dotGit }) => {
      appendFileSync(join(dotGit, place), "");
      truncateSync(join(dotGit, place), 50 * 1024 ** 3);
      await assert.rejects(readAll(app), refusal(/is larger than/), place);
    });
  }
});

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

test("refs that lead in circles, or to what is no object, end", async () => {
  await inScene(async ({ app, dotGit }) => {
    writeFileSync(join(dotGit, "refs", "heads", "a"), "ref: refs/heads/b\n");
    writeFileSync(join(dotGit, "refs", "heads", "b"), "ref: refs/heads/a\n");
    await assert.rejects(readAll(app, {}, "a"), refusal(/circles/));
    writeFileSync(join(dotGit, "refs", "tags", "empty"), "");
    await assert.rejects(readAll(app, {}, "empty"), refusal(/expected an object's id/));
    writeFileSync(join(dotGit, "refs", "tags", "gone"), `${"1".repeat(40)}\n`);
    assert.ok((await readAll(app)).length > 0, "refs of nothing are left out");
    await assert.rejects(readAll(app, {}, "gone"), refusal(/the object 1{40} is missing/));
  });
});

test("objects that contradict themselves are refused, and none is inflated beyond what it says", async () => {
  const id = "a".repeat(40);
  const objects: Record<string, Buffer> = {
    "no object": Buffer.from("garbage"),
    "another type": Buffer.from("tree 0\0"),
    "no tree": Buffer.from("commit 5\0hello"),
    "cut off": Buffer.from(`commit 500\0tree ${id}\n\n`),
    "a bomb": Buffer.concat([Buffer.from(`commit 50\0tree ${id}\n`), Buffer.alloc(20_000_000)]),
    "too large": Buffer.from("commit 99999999999999\0tree"),
  };
  for (const [name, content] of Object.entries(objects)) {
    await inScene(async ({ app, dotGit }) => {
      craftLoose(dotGit, id, content);
      writeFileSync(join(dotGit, "refs", "heads", "main"), `${id}\n`);
      await assert.rejects(readAll(app), refusal(/^Cannot use|names a tree/), name);
    });
  }
});

test("commits and trees that contain themselves end", async () => {
  await inScene(async ({ app, dotGit }) => {
    const [commit, tree] = ["b".repeat(40), "c".repeat(40)];
    const text = `tree ${tree}\nparent ${commit}\n\nm`;
    craftLoose(dotGit, commit, Buffer.from(`commit ${text.length}\0${text}`));
    const entry = Buffer.concat([Buffer.from("40000 loop\0"), Buffer.from(tree, "hex")]);
    craftLoose(dotGit, tree, Buffer.concat([Buffer.from(`tree ${entry.length}\0`), entry]));
    writeFileSync(join(dotGit, "refs", "heads", "main"), `${commit}\n`);
    assert.ok((await readAll(app)).length > 0);
  });
});

test("packs that contradict themselves are refused", async () => {
  const [a, b] = ["a".repeat(40), "b".repeat(40)];
  const delta = Buffer.from([1, 1, 1, 0]);
  const toId = (id: string) => Buffer.concat([packHeader(ID_DELTA, delta.length), Buffer.from(id, "hex")]);
  const whole = (size: number) => packHeader(TYPES.commit, size);
  const packs: Record<string, Parameters<typeof craftPack>[1]> = {
    "deltas of each other": [{ id: a, header: toId(b), data: delta }, {
      id: b,
      header: toId(a),
      data: delta,
    }],
    "a delta of itself": [{ id: a, header: toId(a), data: delta }],
    "a delta of nothing": [{ id: a, header: toId("c".repeat(40)), data: delta }],
    "a base before the pack": [{
      id: a,
      header: Buffer.concat([packHeader(OFFSET_DELTA, 4), packDistance(5000)]),
      data: delta,
    }],
    "the same place": [{ id: a, header: whole(1), data: delta }, {
      id: b,
      header: whole(1),
      data: delta,
      offset: 12,
    }],
    "a place beyond": [{ id: a, header: whole(1), data: delta, offset: 0x7fffffff }],
    "a large place that is not there": [{ id: a, header: whole(1), data: delta, offset: 0x80000001 }],
    "an impossible size": [{ id: a, header: whole(2 ** 52), data: delta }],
    "a bomb": [{ id: a, header: whole(40), data: Buffer.alloc(20_000_000) }],
    "no type": [{ id: a, header: packHeader(5, 4), data: delta }],
  };
  for (const [name, objects] of Object.entries(packs)) {
    await inScene(async ({ app, dotGit }) => {
      craftPack(dotGit, objects);
      writeFileSync(join(dotGit, "refs", "heads", "main"), `${a}\n`);
      await assert.rejects(readAll(app), refusal(/^Cannot (?:use|build)/), name);
    });
  }
});

test("a delta that makes too much, or reaches beyond its base, is refused", async () => {
  const large = [0xff, 0xff, 0xff, 0xff, 0x7f];
  const deltas: Record<string, number[]> = {
    "too much": [4, ...large, 0x90, 4],
    "beyond its base": [4, 8, 0x91, 2, 8],
    "another base": [9, 1, 1, 0],
    "less than it says": [4, 8, 0x90, 4],
    "nothing": [4, 8, 0],
  };
  for (const [name, bytes] of Object.entries(deltas)) {
    await inScene(async ({ app, dotGit }) => {
      const [a, b] = ["a".repeat(40), "b".repeat(40)];
      const base = Buffer.from("base");
      const delta = Buffer.from(bytes);
      craftPack(dotGit, [
        { id: b, header: packHeader(TYPES.commit, base.length), data: base },
        {
          id: a,
          header: Buffer.concat([packHeader(ID_DELTA, delta.length), Buffer.from(b, "hex")]),
          data: delta,
        },
      ]);
      writeFileSync(join(dotGit, "refs", "heads", "main"), `${a}\n`);
      await assert.rejects(readAll(app), refusal(/a delta|delta is too large/), name);
    });
  }
});

test("an object with another's content is not built", async () => {
  await inScene(async ({ top, app, dotGit }) => {
    const [wanted, other] = ["f", "g"].map((name) => {
      writeFileSync(join(app, name), name);
      const id = git(app, "hash-object", "-w", name);
      return join(dotGit, "objects", id.slice(0, 2), id.slice(2));
    });
    git(app, "add", "f");
    git(app, "commit", "-qm", "f");
    rmSync(wanted ?? "");
    cpSync(other ?? "", wanted ?? "");
    await assert.rejects(receive(app, join(top, "copy")), /The script ended with/);
    assert.equal(
      existsSync(join(top, "copy", "f")) && readFileSync(join(top, "copy", "f"), "utf8") === "g",
      false,
    );
  });
});

test("a folder that only looks like git data is passed over where git passes it over", async () => {
  await inScene(async ({ app }) => {
    const looks = join(app, "looks");
    for (const name of ["objects", "refs"]) mkdirSync(join(looks, name), { recursive: true });
    writeFileSync(join(looks, "HEAD"), "This is a chapter's head\n".repeat(100_000));
    mkdirSync(join(looks, "below", ".git"), { recursive: true });
    assert.ok((await readAll(join(looks, "below"))).length > 0);
    assert.deepEqual(readdirSync(join(looks, "below", ".git")), []);
  });
});

test("a repository that is damaged in any way is read or refused, and leads nowhere else", async () => {
  using originals = makeOriginals();
  const ends = { read: 0, refused: 0 };
  for (let seed = 0; seed < 60; seed++) {
    try {
      ends[await readMutated(originals, seed)]++;
    } catch (error) {
      throw new Error(`Seed ${seed}`, { cause: error });
    }
  }
  assert.ok(ends.read > 5 && ends.refused > 5, JSON.stringify(ends));
});
