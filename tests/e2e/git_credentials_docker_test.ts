import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { gitContainerName, idleName } from "../../lib/build/labels.ts";
import { httpsRepository } from "../support/https-repository.ts";
import { makePlace, startRun } from "../support/start-run.ts";
import { testDocker } from "../support/step-context.ts";
import { assertUnknownIn } from "../support/unknown-in.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const TOKEN = "a-token-that-nobody-else-has";

test("a run that is killed while it clones with a token leaves it nowhere in the build's container, and the next run removes all", async () => {
  await using docker = testDocker();
  await using place = await makePlace();
  await using repository = await httpsRepository({ "a.txt": "one\n" }, { token: TOKEN });
  const file = join(place.folder, "token");
  await writeFile(file, `${TOKEN}\n`);
  const asked = repository.hang();
  const remote = { ...place, repository: repository.url };
  const flags = ["--network", "host", "--depth", "0", "--git-token", `127.0.0.1=${file}`, "-c", "true"];
  const killed = startRun(remote, flags, { image: repository.image });
  await killed.before(asked);
  const { run } = await killed.event((event) => event.type === "run");
  killed.kill("SIGKILL");
  await killed.ended;
  assert.equal((await docker.inspect(gitContainerName(run)))?.state, "running");
  assertUnknownIn(idleName(run), TOKEN);
  assert.throws(() => assertUnknownIn(gitContainerName(run), TOKEN), "the search would find it");

  const next = await startRun(place, ["-c", "true"]).ended;
  assert.equal(next.exit, 0, next.stderr);
  for (const name of [gitContainerName(run), idleName(run)]) {
    assert.equal(await docker.inspect(name), undefined);
  }
});

test("run clones with a token from a host for which only --ca vouches", async () => {
  await using place = await makePlace();
  await using repository = await httpsRepository({ "a.txt": "one\n" }, { token: TOKEN });
  const [token, ca] = [join(place.folder, "token"), join(place.folder, "ca.pem")];
  await writeFile(token, TOKEN);
  await writeFile(ca, TEST_CERTIFICATE.cert);
  const flags = ["--network", "host", "--depth", "0", "--git-token", `127.0.0.1=${token}`, "--ca", ca];
  const { exit, events, stderr } = await startRun({ ...place, repository: repository.url }, [
    ...flags,
    "-c",
    "cat a.txt; test -s $SSL_CERT_FILE",
  ]).ended;
  assert.equal(exit, 0, stderr);
  const lines = events.flatMap((event) => event.type === "log" ? [event.message] : []);
  assert.ok(lines.includes("one"));
  assert.ok(lines.some((line) => line.startsWith('The build trusts "localhost" beside ')), lines.join("\n"));
});
