import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openHistory } from "../../lib/backend/embedded/embedded.ts";
import { leavesNothing } from "../support/left-as-it-was.ts";
import { type EndedRun, makePlace, type Place, startRun } from "../support/start-run.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

/** Something that every encoding changes; no part of it stands anywhere else. */
const SECRET = `Zq7"hunter/2+\\'&% x9Kw`;
/** One that a file may be called. */
const PLAIN = "Zq7hunter2x9Kw";
/** What somebody who has the secret in one of these forms has to do is undo the form. */
const FORMS = [
  SECRET,
  PLAIN,
  JSON.stringify(SECRET).slice(1, -1),
  encodeURIComponent(SECRET),
  Buffer.from(SECRET).toString("hex"),
  ...[0, 1, 2].map((before) =>
    // What stands before it decides what it looks like.
    Buffer.from("x".repeat(before) + SECRET).toString("base64").slice(4, 24)
  ),
];

/** Nothing that a run has said or kept has the secret in it. */
async function assertNowhere(place: Place, { stdout, stderr }: EndedRun): Promise<void> {
  await using store = await openHistory(place.data("data"));
  const runs = await store.runs.list();
  const logs = await Promise.all(runs.map(({ id }) => store.logs.tail(id, 1_000_000)));
  const files = (await readdir(place.data("data"), { recursive: true, withFileTypes: true })).filter((
    entry,
  ) => entry.isFile());
  const kept = await Promise.all(files.map(async (file): Promise<[string, string]> => {
    return [file.name, await readFile(join(file.parentPath, file.name), "latin1")];
  }));
  assert.ok(kept.some(([name]) => name.endsWith("-wal")) || kept.some(([name]) => name.endsWith(".db")));
  const places = [["stdout", stdout], ["stderr", stderr], ["log", JSON.stringify(logs)], ...kept];
  for (const [name, text] of places) {
    for (const form of FORMS) {
      const at = text?.indexOf(form) ?? -1;
      assert.equal(at, -1, `${name} has ${form}: ${text?.slice(Math.max(0, at - 100), at + 100)}`);
    }
  }
}

const PRINTS = [
  'printf "%s\\n" "$TOKEN"',
  // In two writes, long enough apart for two frames.
  'printf "%s" "${TOKEN%??????}"; sleep 0.3; printf "%s\\n" "${TOKEN#"${TOKEN%??????}"}"',
  'printf "%s" "$TOKEN" | base64 -w 0; printf "x%s" "$TOKEN" | base64 -w 0; printf "xx%s" "$TOKEN" | base64',
  'printf "%s" "$TOKEN" | od -An -v -tx1 | tr -d " \\n"; echo',
  `perl -e '$_ = $ENV{TOKEN}; s/([^A-Za-z0-9_.~-])/sprintf("%%%02X", ord($1))/ge; print "$_\\n"' >&2`,
  `perl -e '$_ = $ENV{TOKEN}; s/(["\\\\])/\\\\$1/g; print "{\\"token\\":\\"$_\\"}\\n"'`,
];

test("a secret that a build prints, however, leaves neither in what is shown nor in what is kept", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const commands = PRINTS.flatMap((command) => ["-c", command]);
    const flags = ["--secret", "TOKEN", "--log-level", "debug", ...commands];
    const ended = await startRun(place, flags, { env: { TOKEN: SECRET } }).ended;
    assert.equal(ended.exit, 0, ended.stdout);
    const said = ended.events.flatMap((event) =>
      event.type === "log" && event.step === "builder" && event.stream !== "system" ? [event.message] : []
    );
    // Something is left of each: what was taken out are the secrets, not the lines.
    assert.deepEqual(said.map((message) => message.replace(/\*{3}.*\*{3}|\*{3}/, "(secret)")), [
      "(secret)",
      "(secret)",
      "(secret)",
      "(secret)",
      "(secret)",
      '{"token":"(secret)"}',
    ]);
    await assertNowhere(place, ended);
  });
});

test("a secret leaves neither in the names nor in the errors of a build that fails", async () => {
  await using place = await makePlace();
  await leavesNothing(place, async () => {
    const token = join(place.folder, "token");
    await writeFile(token, `${PLAIN}\n`);
    const cases: { flags: string[]; reason: string; message: RegExp; secret?: string }[] = [
      {
        flags: ["-c", 'touch "out-$TOKEN"', "-a", "out-*"],
        reason: "artifact-failed",
        message: /"out-\*\*\*": Its name has a secret in it/,
        secret: PLAIN,
      },
      {
        flags: ["-c", 'ln -s /etc/passwd "out-$TOKEN"', "-a", "out-*"],
        reason: "artifact-failed",
        message: /"out-\*\*\*": it links to something outside/,
        secret: PLAIN,
      },
      { flags: ["-c", '"$TOKEN"'], reason: "command-failed", message: /exited with 127/ },
      {
        flags: ["-c", "make", "--git-token", `127.0.0.1=${token}`],
        reason: "clone-failed",
        message: /^Step "git-cloner" failed: /,
      },
    ];
    for (const { flags, reason, message, secret = SECRET } of cases) {
      const from = flags.includes("--git-token")
        ? { ...place, repository: "https://127.0.0.1:1/app.git" }
        : place;
      const all = ["--secret", "TOKEN", "--log-level", "debug", ...flags];
      const ended = await startRun(from, all, { env: { TOKEN: secret } }).ended;
      assert.equal(ended.exit, 1, ended.stderr);
      assert.equal(ended.end?.reason, reason);
      assert.match(ended.end.message, message);
      await assertNowhere(place, ended);
    }
  });
});

test("a secret that stands in the build's own flags is refused before anything is stored", async () => {
  await using place = await makePlace();
  const flags = ["--secret", "TOKEN", "-c", "make", "-a", `dist/${SECRET}/*`, "-e", `AUTH=Bearer ${SECRET}`];
  const ended = await startRun(place, flags, { env: { TOKEN: SECRET } }).ended;
  assert.equal(ended.exit, 2, ended.stdout);
  const places = ["spec.artifacts.0", "spec.env.0.value"];
  for (const at of places) {
    assert.ok(ended.stderr.includes(`${at}: The value of the secret "TOKEN" stands in it`));
  }
  assert.equal(existsSync(place.data("data")), false);
  for (const form of FORMS) assert.ok(!`${ended.stdout}${ended.stderr}`.includes(form), form);
});
