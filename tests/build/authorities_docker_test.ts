import assert from "node:assert/strict";
import { builder } from "../../drivers/builder.ts";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { parseAuthorities } from "../../lib/build/authorities/parse.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { httpsRepository } from "../support/https-repository.ts";
import { startProxy } from "../support/proxy.ts";
import { testPolicy } from "../support/settings.ts";
import { resourceOf, TEST_IMAGE } from "../support/step-context.ts";
import { build } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

const TOKEN = "a-token-that-nobody-else-has";
const ca = TEST_CERTIFICATE.cert;
const authorities = parseAuthorities(ca);
const policy = testPolicy({ allowNetworks: ["host"] });
const FILES = { "a.txt": "one\n" };

test("git and the commands trust the authorities of a spec beside the image's, by variables that the log names", async () => {
  await using repository = await httpsRepository(FILES);
  const spec = {
    repository: repository.url,
    image: TEST_IMAGE,
    network: "host",
    depth: 0,
    user: "games",
    env: [{ name: "PIP_CERT", value: "/of/its/own" }],
    commands: [
      `git ls-remote ${repository.url} main`,
      "for v in SSL_CERT_FILE NODE_EXTRA_CA_CERTS; do eval f=\\$$v; echo $v=$(grep -c BEGIN $f); done; echo pip=$PIP_CERT",
      "echo system=$(grep -c BEGIN /etc/ssl/certs/ca-certificates.crt)",
    ],
  };
  await build({ ...spec, ca }, async ({ step }) => {
    assert.ok((await step(containerStart, { policy })).result?.success);
    const untrusted = await step(gitCloner, { policy, resource: resourceOf(spec) });
    assert.equal(untrusted.failure?.reason, "clone-failed");
    assert.match(untrusted.failure?.message ?? "", /certificate/);

    const cloned = await step(gitCloner, { policy });
    assert.ok(cloned.result?.success, cloned.failure?.message ?? "");
    assert.ok(
      cloned.lines.includes('system git trusts "localhost" beside the image\'s certificate authorities'),
    );

    const { result, failure, lines } = await step(builder, { policy });
    assert.ok(result?.success, [failure?.message ?? "", ...lines].join("\n"));
    const line = lines.find((line) => line.startsWith("system The build trusts"));
    assert.equal(
      line,
      'system The build trusts "localhost" beside the image\'s certificate authorities: SSL_CERT_FILE, ' +
        "GIT_SSL_CAINFO, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, CARGO_HTTP_CAINFO, NODE_EXTRA_CA_CERTS, DENO_CERT",
    );
    const [, system] = /^stdout system=(\d+)$/m.exec(lines.join("\n")) ?? [];
    assert.ok(Number(system) > 1);
    assert.ok(lines.includes(`stdout SSL_CERT_FILE=${Number(system) + 1}`), lines.join("\n"));
    assert.ok(lines.includes("stdout NODE_EXTRA_CA_CERTS=1"));
    assert.ok(lines.includes("stdout pip=/of/its/own"));
    assert.ok(lines.some((line) => line.includes(repository.commit)));
  });
});

test("an operator's token goes to no host for which only the spec's authorities vouch", async () => {
  await using repository = await httpsRepository(FILES, { token: TOKEN });
  const chosen = { ...policy, gitTokens: { "127.0.0.1": TOKEN }, gitImage: TEST_IMAGE };
  await build({ repository: repository.url, network: "host", depth: 0, ca }, async ({ step }) => {
    assert.ok((await step(containerStart, { policy: chosen })).result?.success);
    const refused = await step(gitCloner, { policy: chosen });
    assert.equal(refused.failure?.reason, "clone-failed");
    assert.ok(
      refused.lines.some((line) => line.includes('The authorities of spec.ca, "localhost", are not used')),
    );
    assert.deepEqual([...repository.logins], []);
    const { result, failure } = await step(gitCloner, { policy: { ...chosen, authorities } });
    assert.ok(result?.success, failure?.message ?? "");
  });
});

test("git and the commands go through the proxies that the spec or the operator names, and the log tells no login of theirs", async () => {
  await using repository = await httpsRepository(FILES);
  await using proxy = await startProxy("joe:pass@word");
  const address = `http://joe:pass%40word@127.0.0.1:${proxy.port}`;
  const { host } = new URL(repository.url);
  const spec = { repository: repository.url, network: "host", depth: 0, ca };
  const commands = [`git ls-remote ${repository.url} main`, "echo no=$no_proxy"];
  await build({ ...spec, commands }, async ({ step }) => {
    const operators = {
      ...policy,
      allowEnv: ["HTTPS_PROXY", "no_proxy"],
      environment: { HTTPS_PROXY: address, no_proxy: "example.org", https_proxy: "http://127.0.0.1:1" },
    };
    const said = (user: string) =>
      `system Proxies of ${user}: HTTPS_PROXY=http://…@127.0.0.1:${proxy.port}, no_proxy=example.org`;
    assert.ok((await step(containerStart, { policy: operators })).result?.success);
    const cloned = await step(gitCloner, { policy: operators });
    assert.ok(cloned.result?.success, cloned.failure?.message ?? "");
    assert.ok(cloned.lines.includes(said("git")), cloned.lines.join("\n"));
    assert.ok(proxy.tunnels.includes(host));

    proxy.tunnels.length = 0;
    const named = { ...spec, env: [{ name: "https_proxy", value: address }] };
    assert.ok((await step(gitCloner, { policy, resource: resourceOf(named) })).result?.success);
    assert.ok(proxy.tunnels.includes(host));

    proxy.tunnels.length = 0;
    const built = await step(builder, { policy: operators });
    assert.ok(built.result?.success, built.lines.join("\n"));
    assert.ok(proxy.tunnels.includes(host));
    assert.ok(built.lines.includes(said("the build")));
    assert.ok(built.lines.includes("stdout no=example.org"));
    assert.equal(/pass/.test([...cloned.lines, ...built.lines].join("\n")), false);
  });
});
