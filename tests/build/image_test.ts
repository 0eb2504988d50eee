import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findImage, provideImage } from "../../lib/build/image.ts";
import type { BuildSpec } from "../../lib/build/spec.ts";
import { type Docker, DockerError } from "../../lib/docker/docker.ts";
import { stepContext } from "../support/step-context.ts";
import { testPolicy } from "../support/settings.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const INFO = { id: "sha256:1" };
interface Host {
  /** Answers for the image, one a look; the last one stays. */
  readonly images?: (object | undefined)[];
  readonly names?: string[];
  readonly pull?: (
    options: { onProgress?: (progress: { text: string }) => void; login?: object },
  ) => Promise<void>;
  readonly proxy?: string;
  readonly policy?: Parameters<typeof testPolicy>[0];
}

async function provide(
  pull: BuildSpec["pull"],
  { images = [undefined], names = [], proxy, policy, ...host }: Host,
) {
  let pulls = 0;
  const looks = [...images];
  const docker = {
    inspectImage: () => Promise.resolve(looks.length > 1 ? looks.shift() : looks[0]),
    imageNames: () => Promise.resolve(names),
    info: () => Promise.resolve({ proxy }),
    pull(_: string, options: object) {
      pulls++;
      return host.pull?.(options) ?? Promise.resolve();
    },
  } as unknown as Docker;
  const context = stepContext(docker, {}, { policy: testPolicy(policy) });
  const spec = { image: "registry.example.com/team/app:1", pull } as BuildSpec;
  const outcome = await provideImage(context, spec).catch((error: Error & { reason: string }) => error);
  return {
    outcome: outcome instanceof Error ? `${outcome.reason}: ${outcome.message}` : outcome,
    pulls,
    lines: await context.lines(),
  };
}
const refusal = (status: number, message: string) => () =>
  Promise.reject(new DockerError(message, { status }));

test("an image that is there is taken without a pull, unless the spec wants it pulled always", async () => {
  assert.deepEqual(await provide("missing", { images: [INFO] }), { outcome: INFO, pulls: 0, lines: [] });
  assert.deepEqual(await provide("never", { images: [INFO] }), { outcome: INFO, pulls: 0, lines: [] });
  const { outcome, pulls, lines } = await provide("always", { images: [INFO] });
  assert.deepEqual([outcome, pulls, lines], [INFO, 1, [
    "system Pulling registry.example.com/team/app:1",
    "system Pulled registry.example.com/team/app:1",
  ]]);
});

test("an image that is missing is pulled, with the first of its progress in the log, and the daemon's proxy", async () => {
  const { outcome, lines } = await provide("missing", {
    images: [undefined, INFO],
    proxy: "http://user:secret@proxy.example.com:3128",
    pull({ onProgress }) {
      for (const text of ["1 of 9", "2 of 9", "3 of 9"]) onProgress?.({ text });
      return Promise.resolve();
    },
  });
  assert.equal(outcome, INFO);
  assert.match(
    lines[0] ?? "",
    /Pulling registry.*, through the daemon's proxy http:\/\/.*proxy\.example\.com:3128/,
  );
  assert.ok(!lines.join().includes("secret"), lines.join());
  assert.deepEqual(lines.slice(1), ["system 1 of 9", "system Pulled registry.example.com/team/app:1"]);
});

test("an image that is never to be pulled is missed with those of a like name", async () => {
  const names = ["other/app:2", "team/app:1", "alpine:3", "x/app:7", "y/app:8"];
  assert.equal(
    (await provide("never", { names })).outcome,
    'image-not-found: The image "registry.example.com/team/app:1" is not on this host, and the build says never to pull' +
      '. On this host there is "other/app:2", "team/app:1", "x/app:7"',
  );
  assert.match(`${(await provide("never", { names: ["alpine:3"] })).outcome}`, /says never to pull$/);
  const nearest = await provide("never", { names: [...names, "registry.example.com/team/app:2"] });
  assert.match(`${nearest.outcome}`, /On this host there is "registry\.example\.com\/team\/app:2", "other/);
});

test("a pull that fails says whether there is no such image, or it cannot be had", async () => {
  const missing = await provide("missing", { pull: refusal(404, "manifest unknown") });
  assert.match(`${missing.outcome}`, /^image-not-found: The image ".*" does not exist: manifest unknown$/);
  for (const text of ["pull access denied for app", "failed to resolve app: pull access denied"]) {
    const { outcome } = await provide("missing", { pull: refusal(404, text) });
    assert.match(`${outcome}`, /^image-pull-failed: .* is not on this host, and it cannot be pulled: /, text);
  }
  const there = await provide("always", { images: [INFO], pull: refusal(500, "no route") });
  assert.match(`${there.outcome}`, /^image-pull-failed: The image ".*" cannot be pulled: no route$/);
  const untrusted = "x509: certificate signed by unknown authority";
  const { outcome } = await provide("missing", { pull: refusal(500, untrusted) });
  assert.match(
    `${outcome}`,
    /put the authority's certificate into \/etc\/docker\/certs\.d\/registry\.example\.com\/ca\.crt/,
  );
  const vanished = await provide("missing", {});
  assert.match(`${vanished.outcome}`, /^image-pull-failed: The image ".*" was pulled but is not there$/);
  const defect = await provide("missing", { pull: () => Promise.reject(new TypeError("a defect")) });
  assert.match(`${defect.outcome}`, /a defect$/);
});

test("a pull uses the operator's login for the registry, and fails where that cannot be read", async () => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.json");
  const auths = { "registry.example.com": { auth: Buffer.from("me:pass").toString("base64") } };
  await writeFile(config, JSON.stringify({ auths }));
  const logins: unknown[] = [];
  const pull = (options: { login?: object }) => {
    logins.push(options.login);
    return Promise.resolve();
  };
  const given = { images: [undefined, INFO], pull, policy: { dockerConfig: folder.path } };
  assert.equal((await provide("missing", given)).outcome, INFO);
  assert.deepEqual(logins, [
    { username: "me", password: "pass", serverAddress: "registry.example.com" },
  ]);
  await writeFile(config, "{ not json");
  assert.equal(
    (await provide("missing", given)).outcome,
    'image-pull-failed: Cannot log in to the registry of "registry.example.com/team/app:1"',
  );
  assert.equal(logins.length, 1);
});

test("findImage says nothing of an image that may be pulled", async () => {
  const docker = { inspectImage: () => Promise.resolve(undefined) } as unknown as Docker;
  const { signal } = new AbortController();
  assert.equal(await findImage(docker, { image: "a", pull: "missing", signal }), undefined);
});

test("a log that cannot be stored while an image is pulled fails the step, and not the program", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on("unhandledRejection", note);
  try {
    const failure = new Error("The log cannot be stored");
    const docker = {
      inspectImage: () => Promise.resolve(undefined),
      info: () => Promise.resolve({}),
      async pull(_: string, { onProgress }: { onProgress(progress: { text: string }): void }) {
        onProgress({ text: "1 of 9" });
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      },
    } as unknown as Docker;
    const context = stepContext(docker, {}, {});
    const line = (text: string) => text === "1 of 9" ? Promise.reject(failure) : context.log.line(text);
    const spec = { image: "app:1", pull: "missing" } as BuildSpec;
    const log = { ...context.log, line };
    await assert.rejects(provideImage({ ...context, log }, spec), failure);
    assert.deepEqual(unhandled, []);
  } finally {
    process.off("unhandledRejection", note);
  }
});
