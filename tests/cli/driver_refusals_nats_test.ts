import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nkeys } from "@nats-io/transport-node";
import { root, runtime, startProgram } from "./start-program.ts";
import { disposable, startDriver } from "../support/fleet.ts";
import { freePort, startNats } from "../support/nats-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("broker");

const tls = (name: string) => fileURLToPath(new URL(`../backend/nats-tls/${name}`, import.meta.url));

/** What the builder says to these flags, without the lines of its log. */
async function refusal(...flags: string[]): Promise<{ code: number; said: string }> {
  const { code, stdout, stderr } = await startDriver("builder", flags).ended;
  assert.equal(stdout, "");
  const lines = stderr.split("\n").filter((line) => !/^\d{4}-\d\d-\d\dT/.test(line));
  return { code, said: lines.join("\n") };
}

test("a driver that cannot reach a broker says why, and exits with 3", async () => {
  const http = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  const port = typeof address === "object" ? address?.port : 0;
  await using plain = await startNats({ jetstream: false });
  const cases = [
    [`nats://127.0.0.1:${port}`, /the port speaks HTTP, not NATS/],
    ["nats://no-such-host.invalid:4222", /the host's name cannot be resolved/],
    ["nats://127.0.0.1:1", /connection refused/],
    [plain.url, /has no JetStream for us.*\nStart the nats-server with JetStream \(-js\)/],
  ] as const;
  for (const [url, why] of cases) {
    const { code, said } = await refusal("--nats", url, "--wait", "0");
    assert.equal(code, 3, said);
    assert.match(said, why);
    assert.match(said, new RegExp(`^error: .*"?${url.replace("nats://", "")}`));
  }
  http.closeAllConnections();
  http.close();
});

test("a driver names the login file that is of no use, and what is wrong with it", async () => {
  await using folder = await temporaryFolder();
  const junk = join(folder.path, "junk.pem");
  await writeFile(junk, "nothing\n");
  const ours = ["--tls-cert", tls("client.pem"), "--tls-key", tls("client.key")];
  const cases = [
    [["--tls-ca", junk], `TLS authority "${junk}" is not a certificate: expected one in PEM`],
    [["--tls-cert", tls("client.pem"), "--tls-key", tls("other.key")], "does not match the certificate"],
    [["--tls-cert", tls("client.pem"), "--tls-key", junk], `"${junk}"`],
    [["--tls-ca", "/nonexistent/ca", ...ours], `--tls-ca: Cannot read "/nonexistent/ca"`],
    [["--nats-creds", junk], `Credentials "${junk}" have no user JWT and seed: expected a .creds file`],
    [["--nats-nkey-file", junk], `NKey "${junk}" has no seed of a user`],
    [
      ["--nats-token-file", junk, "--nats-nkey-file", junk],
      "Both --nats-token-file and --nats-nkey-file were given",
    ],
    [["--nats-creds", "/nonexistent/c"], `--nats-creds: Cannot read "/nonexistent/c"`],
  ] as const;
  for (const [flags, why] of cases) {
    const { code, said } = await refusal("--nats", "tls://127.0.0.1:1", ...flags);
    assert.equal(code, 2, said);
    assert.ok(said.startsWith("error: ") && said.includes(why), said);
  }
});

test("a driver reads its login from pipes, once, and connects again with it", async () => {
  await using byToken = await startNats({ config: 'authorization { token: "t0ken" }' });
  await using byCertificate = await startNats({
    config: `tls { cert_file: "${tls("server.pem")}", key_file: "${tls("server.key")}", ca_file: "${
      tls("ca.pem")
    }", verify: true }`,
  });
  const cases = [
    ["--nats", byToken.url, "--nats-token-file <(echo t0ken)"],
    [
      "--nats",
      byCertificate.url.replace("nats:", "tls:"),
      `--tls-ca <(cat ${tls("ca.pem")}) --tls-cert <(cat ${tls("client.pem")}) --tls-key <(cat ${
        tls("client.key")
      })`,
    ],
  ];
  for (const words of cases) {
    await using driver = disposable(
      startProgram("bash", ["-c", `exec "$F" ${words.join(" ")}`], {
        env: { F: join(root, "bin/builder"), CONVEYOR_RUNTIME: runtime },
      }),
    );
    await driver.said("Waits for the control plane");
    driver.kill("SIGTERM");
    assert.equal((await driver.ended).code, 0);
  }
});

test("a driver logs in with a password, a token, an nkey or its certificate, also where TLS comes first, and leaves in peace before there is work", async () => {
  await using folder = await temporaryFolder();
  const password = join(folder.path, "password");
  await writeFile(password, "p@ss word\n");
  const [token, seed] = [join(folder.path, "token"), join(folder.path, "seed")];
  await writeFile(token, "t0ken\n");
  const user = nkeys.createUser();
  await writeFile(
    seed,
    `-----BEGIN USER NKEY SEED-----\n${
      new TextDecoder().decode(user.getSeed())
    }\n------END USER NKEY SEED------\n`,
  );
  const paths = `cert_file: "${tls("server.pem")}", key_file: "${tls("server.key")}", ca_file: "${
    tls("ca.pem")
  }"`;
  await using byPassword = await startNats({ config: 'authorization { user: me, password: "p@ss word" }' });
  await using byCertificate = await startNats({ config: `tls { ${paths}, verify: true }` });
  await using byToken = await startNats({ config: 'authorization { token: "t0ken" }' });
  await using byNkey = await startNats({
    config: `authorization { users [ { nkey: ${user.getPublicKey()} } ] }`,
  });
  await using tlsFirst = await startNats({ config: `tls { ${paths}, verify: true, handshake_first: true }` });
  const ours = ["--tls-ca", tls("ca.pem"), "--tls-cert", tls("client.pem"), "--tls-key", tls("client.key")];
  const cases = [
    [byPassword.url, ["--nats-user", "me", "--nats-password-file", password]],
    [byCertificate.url.replace("nats:", "tls:"), ours],
    [byToken.url, ["--nats-token-file", token]],
    [byNkey.url, ["--nats-nkey-file", seed]],
    [tlsFirst.url, [...ours, "--nats-tls-first"]],
  ] as const;
  for (const [url, flags] of cases) {
    const { code, said } = await refusal("--nats", url);
    assert.equal(code, 3, said);
    await using driver = disposable(startDriver("builder", ["--nats", url, ...flags]));
    await driver.said("Waits for the control plane");
    driver.kill("SIGTERM");
    assert.equal((await driver.ended).code, 0);
  }
});

test("a driver ends in an orderly way after a rejection that nobody caught, and exits 70", async () => {
  await using server = await startNats();
  const child = [fileURLToPath(new URL("children/flutter-ci-with-stray.ts", import.meta.url)), "builder"];
  await using driver = disposable(
    startProgram(
      runtime,
      [
        ...(runtime === "bun" ? ["--no-env-file"] : ["run", "-A", "--no-check", "--cached-only"]),
        ...child,
        "--nats",
        server.url,
      ],
    ),
  );
  await driver.said("Waits for the control plane");
  driver.kill("SIGUSR2");
  const { code, stderr } = await driver.ended;
  assert.equal(code, 70, stderr);
  assert.match(stderr, /^error: This is a defect of the program: a stray rejection\n/m);
});

test("a driver and a control plane wait for a broker that is not up yet, with one line, and then work", async () => {
  await using folder = await temporaryFolder();
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  await using driver = disposable(
    startDriver("builder", ["--nats", url], { DOCKER_HOST: "unix:///nonexistent" }),
  );
  await using up = disposable(
    startProgram(join(root, "bin", "flutter-ci"), [
      ...["up", "--nats", url, "--data", folder.path, "--drivers", "none", "--listen", "127.0.0.1:0"],
    ], { env: { CONVEYOR_RUNTIME: runtime } }),
  );
  const line = 'Waiting for the broker: Cannot connect to NATS at "nats://127.0.0.1:';
  await Promise.all([driver.said(line), up.said(line)]);
  await using _server = await startNats({ port });
  await up.said("Serves http://");
  up.kill("SIGTERM");
  const { stderr } = await up.ended;
  assert.equal(stderr.split(line).length, 2, stderr);
});
