import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { StepFailure } from "../../lib/base/errors.ts";
import { KNOWN_AUTHORITIES } from "../../lib/build/authorities/bundle-script.ts";
import { parseAuthorities } from "../../lib/build/authorities/parse.ts";
import { provideAuthorities } from "../../lib/build/authorities/provide.ts";
import { entering, provideEntering } from "../../lib/build/enter.ts";
import { containerName, LABELS, runLabels } from "../../lib/build/labels.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { testPolicy } from "../support/settings.ts";
import { stepContext } from "../support/step-context.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Answer, fakeDocker, planFor } from "./fake-docker.ts";

const ca = TEST_CERTIFICATE.cert;

function world(answer: Answer, { spec = {}, policy = {}, labels = {}, env = {} } = {}) {
  const fake = fakeDocker({ exec: () => answer });
  const container = fake.add(containerName("r"), { ...runLabels("me", "r"), ...labels }, { env });
  const whole = { repository: "https://example.org/a.git", image: "i", commands: ["x"], ...spec };
  const context = stepContext(fake.docker, whole, { run: "r", policy: testPolicy(policy) });
  return { ...fake, container, context, plan: planFor(context) };
}

test("a build's authorities are put beside the image's, for its own user, under variables that the log names", async () => {
  const labels = { [LABELS.user]: "1000" };
  const env = { SSL_CERT_FILE: "/own.pem", OTHER: "x" };
  const spec = { ca, env: [{ name: "PIP_CERT", value: "/mine" }] };
  const { context, container, plan, ran } = world(0, { spec, labels, env });
  const variables = await provideAuthorities(context, container, plan);
  assert.equal(variables.SSL_CERT_FILE, "/.conveyor/ca-bundle.pem");
  assert.equal(variables.NODE_EXTRA_CA_CERTS, "/.conveyor/ca.pem");
  assert.equal(ran[0]?.input, plan.authorities?.pem);
  assert.deepEqual([ran[0]?.user, ran[0]?.workdir, ran[0]?.env?.SSL_CERT_FILE, ran[0]?.env?.OTHER], [
    ...["1000", "/", "/own.pem", undefined],
  ]);
  const [line = "", ...more] = await context.lines();
  assert.match(line, /^system The build trusts "localhost" beside the image's certificate authorities: SSL_/);
  assert.ok(!line.includes("PIP_CERT") && line.includes("GIT_SSL_CAINFO"), line);
  assert.deepEqual(more, []);
});

test("an operator's authorities are trusted too, and without any nothing is put anywhere", async () => {
  const { context, container, plan } = world(0, { policy: { authorities: parseAuthorities(ca) } });
  assert.ok((await provideAuthorities(context, container, plan)).DENO_CERT);
  const none = world(0);
  assert.deepEqual(await provideAuthorities(none.context, none.container, none.plan), {});
  assert.deepEqual([none.ran, await none.context.lines()], [[], []]);
});

test("what of the image's authorities cannot be used is said, and where that is all of them", async () => {
  const linesOf = async (answer: Answer) => {
    const { context, container, plan } = world(answer, { spec: { ca } });
    await provideAuthorities(context, container, plan);
    return (await context.lines()).map((line) => line.replace(/: SSL_CERT_FILE.*/, ""));
  };
  const stdout = "none\n";
  assert.deepEqual(await linesOf({ stdout }), [
    'system The build trusts only "localhost", since the image has no certificate authorities',
  ]);
  const stderr = "/etc/ssl/cert.pem cannot be read by user 1000, and is not used\n";
  assert.deepEqual(await linesOf({ stdout, stderr }), [
    `system Certificate authorities of the image: ${stderr.trim()}`,
    'system The build trusts only "localhost", since the image has no certificate authorities that can be used',
  ]);
  assert.equal((await linesOf({ stderr })).length, 2);
  // A file that several variables name, and one that is too large.
  const large = "own.pem is larger than 16000000 bytes, and not used\n";
  assert.deepEqual((await linesOf({ stderr: stderr + large + stderr })).slice(0, -1), [
    `system Certificate authorities of the image: ${stderr.trim()}`,
    `system Certificate authorities of the image: ${large.trim()}`,
  ]);
  // Warnings of the shell or the image's programs are about something else.
  const warning = "sh: warning: setlocale: cannot change locale (de_DE)\n";
  assert.deepEqual(await linesOf({ stdout, stderr: warning }), await linesOf({ stdout }));
});

test("authorities that cannot be put into the container fail the build, with what it says", async () => {
  const failure = async (answer: Answer) => {
    const { context, container, plan } = world(answer, { spec: { ca } });
    const error = await provideAuthorities(context, container, plan).catch((error) => error);
    return error instanceof StepFailure ? `${error.reason}: ${error.message}` : error;
  };
  const what = "container-failed: Cannot put the certificate authorities into the container: ";
  assert.equal(await failure({ exitCode: 1, stderr: "read-only\n" }), `${what}read-only`);
  assert.equal(await failure(1), `${what}exited with 1`);
});

/** What the script's functions print of a file with this text, run by a user with these rights. */
async function known(text: string, { mode = 0o644 }: { mode?: number } = {}) {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "own.pem");
  await writeFile(file, text);
  await chmod(folder.path, 0o755);
  await chmod(file, mode);
  const script = `${KNOWN_AUTHORITIES}usable_authorities "$SSL_CERT_FILE" && cat "$SSL_CERT_FILE"; exit 0`;
  const { promise, resolve } = Promise.withResolvers<{ stdout: string; stderr: string }>();
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  execFile(
    "/bin/sh",
    ["-c", script],
    { env: { ...process.env, SSL_CERT_FILE: file }, ...user, maxBuffer: 2 ** 26 },
    (_, stdout, stderr) => resolve({ stdout, stderr: stderr.replace(file, "FILE") }),
  );
  return await promise;
}

test("an image's file with authorities that its user cannot read, or that is too large, is named", async () => {
  assert.deepEqual(await known("PEM\n"), { stdout: "PEM\n", stderr: "" });
  assert.deepEqual(await known(""), { stdout: "", stderr: "" });
  const unreadable = await known("PEM\n", { mode: 0 });
  assert.equal(unreadable.stdout, "");
  assert.match(unreadable.stderr, /^FILE cannot be read by user \d+, and is not used\n$/);
  const large = await known("x".repeat(16_000_001));
  assert.deepEqual(large, { stdout: "", stderr: "FILE is larger than 16000000 bytes, and not used\n" });
});

/** Runs the script as a container would whose own folder is `own`. */
async function provided(own: string, env: Record<string, string>) {
  const fake = world(0, { spec: { ca } });
  await provideAuthorities(fake.context, fake.container, fake.plan);
  const script = fake.ran[0]?.command[2]?.replaceAll("/.conveyor", own) ?? "";
  const { promise, resolve } = Promise.withResolvers<Exclude<Answer, number>>();
  execFile(
    "/bin/sh",
    ["-c", script],
    { env },
    (error, stdout, stderr) => resolve({ exitCode: error ? 1 : 0, stdout, stderr }),
  ).stdin?.end("OURS\n");
  return await promise;
}

test("a full disk fails the build, and no file of the image is blamed for it", async () => {
  await using folder = await temporaryFolder();
  const named = join(folder.path, "own.pem");
  await writeFile(named, "GOOD\n");
  await symlink("/dev/full", join(folder.path, "ca-copy.pem"));
  const { exitCode, stderr = "" } = await provided(folder.path, {
    PATH: process.env.PATH ?? "",
    PIP_CERT: named,
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /No space left on device/);
  assert.ok(!stderr.includes("cannot be read"), stderr);
});

test("an image's named file that cannot be read to its end is left out whole, and said", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  const [own, tools, good, bad] = [at("own"), at("tools"), at("good.pem"), at("bad.pem")];
  await mkdir(own);
  await mkdir(tools);
  await Promise.all([writeFile(good, "GOOD\n"), writeFile(bad, "HALF\nREST\n")]);
  // A disk's error in the middle of a file, which nothing makes on demand.
  const failing =
    '#!/bin/sh\ncase $(readlink /proc/self/fd/0) in *bad.pem) echo HALF; exit 1 ;; esac\nexec /bin/cat "$@"\n';
  await writeFile(join(tools, "cat"), failing, { mode: 0o755 });
  const env = { PATH: `${tools}:${process.env.PATH}`, PIP_CERT: bad, DENO_CERT: bad, CURL_CA_BUNDLE: good };
  const answer = await provided(own, env);
  const whole = await readFile(join(own, "ca-bundle.pem"), "utf8");
  assert.ok(whole.endsWith("GOOD\n\nOURS\n") && !whole.includes("HALF"), whole);
  assert.equal(await readFile(join(own, "ca.pem"), "utf8"), "OURS\n");
  assert.deepEqual((await readdir(own)).sort(), ["ca-bundle.pem", "ca.pem"]);
  const told = world(answer, { spec: { ca } });
  await provideAuthorities(told.context, told.container, told.plan);
  assert.equal(
    (await told.context.lines())[0],
    `system Certificate authorities of the image: ${bad} cannot be read to its end, and is not used`,
  );
});

test("a container that may be kept gets a script that enters its build's environment, and no other one does", async () => {
  const enter = async (labels: Record<string, string>) => {
    const { context, container, ran } = world(0, { labels });
    const env = { A: "it's", B: "2" };
    await provideEntering(context, container, { env, workdir: "/workspace/it's" });
    return ran;
  };
  assert.deepEqual(await enter({ [LABELS.keep]: "never" }), []);
  for (const keep of ["failure", "always"]) {
    const [ran, ...more] = await enter({ [LABELS.keep]: keep, [LABELS.user]: "dev" });
    assert.deepEqual([ran?.user, ran?.workdir, more], ["dev", "/", []]);
    assert.equal(
      ran?.input,
      "export A='it'\\''s'\nexport B='2'\ncd '/workspace/it'\\''s'\ncommand -v bash >/dev/null && exec bash\nexec sh\n",
    );
  }
});

test("the command that enters a container names its user, its secrets and the script if there is one", async () => {
  const command = async (labels: Record<string, string>, secrets: string[], isThere: boolean) => {
    const { context, container } = world(0, { labels });
    Object.assign(context.docker, { exists: () => Promise.resolve(isThere) });
    return (await entering(context, container, secrets)).replace(containerName("r"), "NAME");
  };
  assert.equal(
    await command({ [LABELS.user]: "dev" }, ["A", "B"], true),
    "docker exec -it -u dev -e A -e B NAME sh /.conveyor/enter",
  );
  assert.equal(await command({}, [], false), "docker exec -it NAME sh");
});
