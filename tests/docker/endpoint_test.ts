import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { InputError, UnavailableError } from "../../lib/base/errors.ts";
import { dockerConfigFolder } from "../../lib/docker/endpoint.ts";
import { findDocker } from "../../lib/docker/find-docker.ts";
import { firstSocket, usualSockets } from "../../lib/docker/usual-sockets.ts";

/** A home folder with these files, whose texts may be objects. */
async function home(files: Record<string, unknown> = {}): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "home-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const hash = (name: string) => createHash("sha256").update(name).digest("hex");

const context = (name: string, docker: object) => ({
  [`.docker/contexts/meta/${hash(name)}/meta.json`]: { Name: name, Metadata: {}, Endpoints: { docker } },
});

const certificates = (folder: string, names: string[] = ["ca", "cert", "key"]) =>
  Object.fromEntries(names.map((name) => [`${folder}/${name}.pem`, `${name} text`]));

test("findDocker takes what was asked for before everything else", async () => {
  const endpoint = await findDocker({
    endpoint: "unix:///run/mine.sock",
    environment: { DOCKER_HOST: "tcp://other:1", DOCKER_CONTEXT: "x" },
    home: "/nowhere",
  });
  assert.deepEqual(endpoint, { name: "unix:///run/mine.sock", socketPath: "/run/mine.sock" });
});

test("findDocker takes DOCKER_HOST before DOCKER_CONTEXT and the current context", async () => {
  await using user = await home({
    ".docker/config.json": { currentContext: "b" },
    ...context("a", { Host: "unix:///a.sock" }),
    ...context("b", { Host: "unix:///b.sock" }),
  });
  const find = (environment: Record<string, string>) => findDocker({ environment, home: user.path });
  assert.equal((await find({ DOCKER_HOST: "tcp://h:1", DOCKER_CONTEXT: "a" })).name, "tcp://h:1");
  assert.equal((await find({ DOCKER_CONTEXT: "a" })).name, "unix:///a.sock");
  assert.equal((await find({})).name, "unix:///b.sock");
});

test("findDocker reads contexts from the folder that DOCKER_CONFIG names", async () => {
  await using user = await home({
    ".docker/config.json": { currentContext: "a" },
    ...context("a", { Host: "unix:///a.sock" }),
  });
  const environment = { DOCKER_CONFIG: join(user.path, ".docker") };
  assert.equal((await findDocker({ environment, home: "/nowhere" })).name, "unix:///a.sock");
  assert.equal(dockerConfigFolder({ environment, home: "/nowhere" }), join(user.path, ".docker"));
  assert.equal(dockerConfigFolder({ environment: {}, home: "/home/me" }), "/home/me/.docker");
});

for (
  const [text, expected] of [
    ["unix:///a/b.sock", { name: "unix:///a/b.sock", socketPath: "/a/b.sock" }],
    ["unix://", { name: "unix:///var/run/docker.sock", socketPath: "/var/run/docker.sock" }],
    ["tcp://build1", { name: "tcp://build1:2375", host: "build1", port: 2375 }],
    ["tcp://build1:99/", { name: "tcp://build1:99", host: "build1", port: 99 }],
    ["TCP://[::1]:99", { name: "tcp://[::1]:99", host: "::1", port: 99 }],
    ["10.0.0.7:99", { name: "tcp://10.0.0.7:99", host: "10.0.0.7", port: 99 }],
  ] as const
) {
  test(`findDocker understands "${text}"`, async () => {
    assert.deepEqual(await findDocker({ environment: { DOCKER_HOST: text }, home: "/nowhere" }), expected);
  });
}

for (
  const text of [
    "/var/run/docker.sock",
    "unix://relative.sock",
    "npipe:////./pipe/docker_engine",
    "http://host:1",
    "fd://",
    "tcp://",
    "tcp://host:0",
    "tcp://host:99999",
    "tcp://host:x",
    "tcp://user@host:1",
    "tcp://host:1/prefix",
    "tcp://ho st",
  ]
) {
  test(`findDocker refuses "${text}" and says what it takes`, async () => {
    await assert.rejects(findDocker({ endpoint: text, environment: {}, home: "/nowhere" }), (error) => {
      assert.ok(error instanceof InputError);
      assert.equal(
        error.message,
        `Invalid Docker endpoint "${text}": expected unix:///path/of/the.sock or tcp://host:port`,
      );
      return true;
    });
  });
}

test("findDocker says what to do instead of ssh", async () => {
  const finding = findDocker({ endpoint: "ssh://me@build1/x", environment: {}, home: "/nowhere" });
  await assert.rejects(finding, (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.match(error.message, /"ssh:\/\/me@build1\/x": ssh is not supported/);
    assert.match(error.hint ?? "", /ssh -nNT -L \/tmp\/docker\.sock:\/var\/run\/docker\.sock me@build1"/);
    return true;
  });
});

test("findDocker takes TLS from DOCKER_TLS_VERIFY and the certificates of DOCKER_CERT_PATH", async () => {
  await using user = await home({ ...certificates("certs"), ...certificates(".docker", ["ca"]) });
  const find = (environment: Record<string, string>) =>
    findDocker({ environment: { DOCKER_HOST: "tcp://h", ...environment }, home: user.path });
  const all = { ca: "ca text", cert: "cert text", key: "key text" };
  const folder = join(user.path, "certs");
  assert.deepEqual(await find({ DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder }), {
    name: "tcp://h:2376",
    host: "h",
    port: 2376,
    tls: { ...all, rejectUnauthorized: true },
  });
  assert.deepEqual((await find({ DOCKER_TLS: "1", DOCKER_CERT_PATH: folder })).tls, {
    ...all,
    rejectUnauthorized: false,
  });
  assert.deepEqual((await find({ DOCKER_TLS_VERIFY: "1" })).tls, { ca: "ca text", rejectUnauthorized: true });
  assert.equal((await find({ DOCKER_CERT_PATH: folder })).tls, undefined);
});

test("findDocker refuses a certificate without its key and names the folder", async () => {
  await using user = await home(certificates("certs", ["ca", "cert"]));
  const folder = join(user.path, "certs");
  const environment = { DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder };
  await assert.rejects(findDocker({ environment, home: user.path }), (error) => {
    assert.ok(error instanceof InputError);
    assert.ok(error.message.includes(`"${folder}"`));
    return true;
  });
});

test("findDocker takes the TLS of a context", async () => {
  await using user = await home({
    ...context("secure", { Host: "tcp://h:1" }),
    ...certificates(`.docker/contexts/tls/${hash("secure")}/docker`),
    ...context("skip", { Host: "tcp://h:1", SkipTLSVerify: true }),
    ...context("plain", { Host: "tcp://h:1", SkipTLSVerify: false }),
  });
  const find = async (name: string) =>
    (await findDocker({ environment: { DOCKER_CONTEXT: name }, home: user.path })).tls;
  assert.deepEqual(await find("secure"), {
    ca: "ca text",
    cert: "cert text",
    key: "key text",
    rejectUnauthorized: true,
  });
  assert.deepEqual(await find("skip"), { rejectUnauthorized: false });
  assert.equal(await find("plain"), undefined);
});

test("findDocker goes to the usual sockets for the context default, and without any", async () => {
  await using user = await home({
    ".docker/config.json": { currentContext: "b" },
    ...context("b", { Host: "unix:///b.sock" }),
    ".docker/run/x": "",
  });
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(join(user.path, ".docker/run/docker.sock"), resolve));
  try {
    // This machine's own daemon comes first, where there is one.
    const possible = usualSockets({ environment: {}, home: user.path });
    const chosen = await findDocker({ environment: { DOCKER_CONTEXT: "default" }, home: user.path });
    assert.ok(possible.includes(chosen.socketPath ?? ""), chosen.name);
    await writeFile(join(user.path, ".docker/config.json"), "{}");
    assert.deepEqual(await findDocker({ environment: {}, home: user.path }), chosen);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("findDocker refuses a context that is not there or has no daemon, and names it", async () => {
  await using user = await home({
    ".docker/config.json": { currentContext: "../../etc" },
    ...context("empty", {}),
  });
  const find = (environment: Record<string, string>) => findDocker({ environment, home: user.path });
  await assert.rejects(find({}), { name: "InputError", message: /"\.\.\/\.\.\/etc"/ });
  await assert.rejects(find({ DOCKER_CONTEXT: "gone" }), { name: "InputError", message: /"gone"/ });
  await assert.rejects(find({ DOCKER_CONTEXT: "empty" }), { name: "InputError", message: /"empty"/ });
});

test("findDocker says which configuration file is broken", async () => {
  await using user = await home({ ".docker/config.json": "{ not json" });
  await assert.rejects(findDocker({ environment: {}, home: user.path }), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.ok(error.message.includes(`"${join(user.path, ".docker/config.json")}"`));
    assert.ok(error.hint);
    return true;
  });
});

test("usualSockets are the system's, a rootless daemon's and Docker Desktop's, in this order", () => {
  assert.deepEqual(usualSockets({ environment: { XDG_RUNTIME_DIR: "/run/user/7" }, home: "/home/me" }), [
    "/var/run/docker.sock",
    "/run/user/7/docker.sock",
    "/home/me/.docker/run/docker.sock",
    "/home/me/.docker/desktop/docker.sock",
  ]);
  assert.equal(usualSockets({ environment: {}, home: "/home/me" }).length, 3);
});

test("firstSocket takes the first that somebody listens at", async () => {
  await using user = await home({ "file.sock": "no socket at all" });
  const path = join(user.path, "live.sock");
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    const found = await firstSocket([join(user.path, "gone.sock"), join(user.path, "file.sock"), path]);
    assert.deepEqual(found, { name: `unix://${path}`, socketPath: path });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("firstSocket says everything that was tried, why it failed, and what to do", async () => {
  await using user = await home({ "file.sock": "no socket at all" });
  const [gone, file] = [join(user.path, "gone.sock"), join(user.path, "file.sock")];
  await assert.rejects(firstSocket([gone, file]), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.equal(
      error.message,
      `Cannot find Docker; tried unix://${gone} (not there), unix://${file} (nobody listens)`,
    );
    assert.match(error.hint ?? "", /^Start Docker/);
    return true;
  });
  await assert.rejects(firstSocket([gone]), { hint: /^Install and start Docker/ });
});

test("findDocker without a home folder needs none, but for a context", async () => {
  const find = (environment: Record<string, string>) => findDocker({ environment, home: undefined });
  assert.equal((await find({ DOCKER_HOST: "unix:///a.sock" })).name, "unix:///a.sock");
  const { tls } = await find({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1" });
  assert.deepEqual(tls, { rejectUnauthorized: true });
  await assert.rejects(find({ DOCKER_CONTEXT: "far" }), /"far": this user has no home folder$/);
  assert.equal(dockerConfigFolder({ environment: {}, home: undefined }), undefined);
});
