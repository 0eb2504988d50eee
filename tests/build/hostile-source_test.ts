import { after, test } from "node:test";
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readdirSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeOriginals, readMutated } from "./mutated-source.ts";
import { git } from "./received.ts";
import { fifo, inScene, link, readAll, refusal, removeTemplate } from "./hostile-scene.ts";

after(removeTemplate);

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
