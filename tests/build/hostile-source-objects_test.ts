import { after, test } from "node:test";
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ID_DELTA,
  OFFSET_DELTA,
  packDistance,
  packHeader,
  TYPES,
} from "../../lib/build/git/objects/format.ts";
import { craftLoose, craftPack } from "./craft-pack.ts";
import { git, receive } from "./received.ts";
import { inScene, readAll, refusal, removeTemplate } from "./hostile-scene.ts";

after(removeTemplate);

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

test("a tree whose modes begin with a zero, as old tools wrote them, is built as git builds it", async () => {
  await inScene(async ({ top, app }) => {
    mkdirSync(join(app, "folder"));
    writeFileSync(join(app, "folder", "g"), "g");
    git(app, "add", ".");
    const raw = join(top, "tree");
    const inner = git(app, "write-tree", "--prefix=folder/");
    writeFileSync(raw, Buffer.concat([Buffer.from("040000 folder\0"), Buffer.from(inner, "hex")]));
    const tree = git(app, "hash-object", "-w", "-t", "tree", "--literally", raw);
    git(app, "reset", "-q", "--hard", git(app, "commit-tree", "-m", "old", tree));
    assert.equal(readFileSync(join(app, "folder", "g"), "utf8"), "g");
    await receive(app, join(top, "copy"));
    assert.equal(readFileSync(join(top, "copy", "folder", "g"), "utf8"), "g");
  });
});

test("a chain of deltas that takes too much work is refused", async () => {
  await inScene(async ({ app, dotGit }) => {
    // Each delta copies its whole base: some kilobytes would make 64 GiB.
    const size = 2 ** 24 - 1;
    const number = [0xff, 0xff, 0xff, 0x07];
    const delta = Buffer.from([...number, ...number, 0xf0, 0xff, 0xff, 0xff]);
    const id = (n: number) => n.toString(16).padStart(40, "0");
    craftPack(dotGit, [
      { id: id(0), header: packHeader(TYPES.commit, size), data: Buffer.alloc(size, "x") },
      ...Array.from({ length: 4000 }, (_, n) => ({
        id: id(n + 1),
        header: Buffer.concat([packHeader(ID_DELTA, delta.length), Buffer.from(id(n), "hex")]),
        data: delta,
      })),
    ]);
    writeFileSync(join(dotGit, "refs", "heads", "main"), `${id(4000)}\n`);
    await assert.rejects(readAll(app), refusal(/chain of deltas/));
  });
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
