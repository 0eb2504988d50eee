import assert from "node:assert/strict";
import { test } from "node:test";
import { type Credential, credentialsFor } from "../../lib/build/git/credentials.ts";
import { gitTokenOf } from "../../lib/build/git/git-token.ts";
import { encodeFiles, PRIVATE_FOLDER, privateFiles } from "../../lib/build/git/private-files.ts";
import { stepContext } from "../support/step-context.ts";
import { testPolicy } from "../support/settings.ts";
import { fakeDocker, planFor } from "./fake-docker.ts";

const KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n";

interface Given {
  readonly spec?: object;
  readonly own?: Record<string, string>;
  readonly policy?: Parameters<typeof testPolicy>[0];
}

async function find({ spec = {}, own = {}, policy = {} }: Given) {
  const whole = {
    repository: "https://git.example.com/app.git",
    image: "gcc:14",
    commands: ["make"],
    ...spec,
  };
  const secrets = Object.fromEntries(Object.entries(own).map(([host, secret]) => [gitTokenOf(host), secret]));
  const context = stepContext(fakeDocker().docker, whole, {
    policy: testPolicy(policy),
    secrets: { ...secrets, OTHER: "x" },
  });
  const found = await credentialsFor(context, planFor(context)).catch((error: Error) => error);
  return { found, lines: await context.lines() };
}
const of = (host: string, secret = `token-${host}`): Credential => ({ host, kind: "token", secret });

test("a clone gets the credential of its repository's host only, the run's own before the operator's", async () => {
  const gitTokens = {
    "git.example.com": "token-git.example.com",
    "other.example.com": "token-other.example.com",
  };
  const trusted = { gitTokens, allowImages: ["gcc:*"] };
  assert.deepEqual((await find({ policy: trusted })).found, {
    all: [of("git.example.com")],
    image: "gcc:14",
    hasOwn: false,
    hasOperators: true,
  });
  const own = { "git.example.com": "mine", "third.example.com": "theirs" };
  assert.deepEqual((await find({ own, policy: trusted })).found, {
    all: [of("git.example.com", "mine")],
    image: "gcc:14",
    hasOwn: true,
    hasOperators: false,
  });
  assert.deepEqual((await find({})).found, { all: [], image: undefined, hasOwn: false, hasOperators: false });
});

test("a clone with submodules gets the credentials of all hosts, and a key is told from a token", async () => {
  const gitTokens = { "other.example.com": KEY };
  const own = { "git.example.com": "mine" };
  const { found } = await find({ spec: { submodules: true }, own, policy: { gitTokens, gitImage: "git:1" } });
  assert.deepEqual(found, {
    all: [of("git.example.com", "mine"), { host: "other.example.com", kind: "key", secret: KEY }],
    image: "git:1",
    hasOwn: true,
    hasOperators: true,
  });
});

test("an image that the command line does not name gets no credential of the operator", async () => {
  const gitTokens = { "git.example.com": "t" };
  const { found } = await find({ policy: { gitTokens } });
  assert.match(`${found}`, /The credential for "git\.example\.com" is not given to the image "gcc:14"/);
  const others = { "other.example.com": "t", "third.example.com": "t" };
  const unused = await find({ spec: { submodules: true }, policy: { gitTokens: others } });
  assert.deepEqual(unused.found, { all: [], image: undefined, hasOwn: false, hasOperators: false });
  assert.match(
    unused.lines.join(),
    /The credentials for other\.example\.com, third\.example\.com are not used/,
  );
  // Nothing is said of what would not be used anyway.
  assert.deepEqual((await find({ policy: { gitTokens: others } })).lines, []);
});

const files = (more: Partial<Parameters<typeof privateFiles>[0]> = {}) =>
  privateFiles({
    protocol: "https",
    authority: "git.example.com",
    credentials: [],
    knownHosts: "git.example.com ssh-ed25519 AAAA",
    ...more,
  });
const config = (more: Parameters<typeof files>[0] = {}) => files(more)[".gitconfig"] ?? "";
const allowed = (text: string) => [...text.matchAll(/\[protocol "(\w+)"\]/g)].map(([, name]) => name);

test("git's configuration allows the wanted protocols only, and no hook or helper", () => {
  assert.deepEqual(allowed(config()), ["https"]);
  assert.deepEqual(allowed(config({ protocol: "ssh" })), ["ssh", "https"]);
  const key = { host: "other.example.com", kind: "key", secret: KEY } as const;
  assert.deepEqual(allowed(config({ credentials: [key] })), ["https", "ssh"]);
  assert.match(config(), /\[protocol\]\n\tallow = never/);
  assert.match(config(), /hooksPath = \/dev\/null/);
  assert.ok(!config().includes("sslCAInfo"));
  assert.ok(config({ authorities: "PEM" }).includes(`sslCAInfo = ${PRIVATE_FOLDER}/ca-bundle`));
});

test("a token is offered to its host, at the repository's own port too, and never stands in the configuration", () => {
  const text = config({
    authority: "git.example.com:8443",
    credentials: [of("git.example.com"), of("b.org")],
  });
  assert.deepEqual([...text.matchAll(/\[credential "(.*)"\]/g)].map(([, at]) => at), [
    "https://git.example.com",
    "https://git.example.com:8443",
    "https://b.org",
  ]);
  assert.match(text, /credential "https:\/\/b\.org"\]\n.*credential-1\)/);
  assert.ok(!text.includes("token-"));
});

test("submodules with ssh addresses are fetched by https where there is a token, or no key", () => {
  const rewritten = (more: Parameters<typeof files>[0]) =>
    [...config(more).matchAll(/\[url "(.*)"\]/g)].map(([, to]) => to);
  assert.deepEqual(rewritten({}), ["https://git.example.com/"]);
  assert.deepEqual(rewritten({ credentials: [of("b.org:99")] }), [
    "https://b.org:99/",
    "https://git.example.com/",
  ]);
  const key = { host: "git.example.com:22", kind: "key", secret: KEY } as const;
  assert.deepEqual(rewritten({ credentials: [key] }), []);
  assert.deepEqual(rewritten({ authority: undefined }), []);
  assert.match(config({ credentials: [of("b.org")] }), /insteadOf = "git@b\.org:"/);
});

test("ssh trusts known hosts only and offers a host its own key", () => {
  const key = { host: "b.org:2222", kind: "key", secret: KEY } as const;
  const given = files({ credentials: [of("git.example.com"), key] });
  assert.match(
    given["ssh_config"] ?? "",
    /^Host b\.org\n\tIdentityFile \/dev\/shm\/conveyor-git\/credential-1\nHost \*\n/,
  );
  assert.match(given["ssh_config"] ?? "", /StrictHostKeyChecking yes/);
  assert.deepEqual([given["credential-0"], given["credential-1"]], ["token-git.example.com", KEY.trimEnd()]);
  assert.equal(given["known_hosts"], "git.example.com ssh-ed25519 AAAA");
  assert.ok(!("authorities" in given));
});

test("each set of signers that a commit needs has files of its own, and none for a kind of key that it lacks", () => {
  const signers = [
    { ssh: "a@example.org ssh-ed25519 AAAA\n", openpgp: "" },
    { ssh: "b@example.org ssh-ed25519 BBBB\n", openpgp: "PGP" },
  ];
  const given = Object.entries(files({ signers })).filter(([name]) => /signers|keys/.test(name));
  assert.deepEqual(given, [
    ["ssh-signers-0", signers[0]?.ssh],
    ["ssh-signers-1", signers[1]?.ssh],
    ["openpgp-keys-1", "PGP"],
  ]);
  assert.ok(!Object.keys(files()).some((name) => /signers|keys/.test(name)));
});

test("files travel as their names and their lines, of which none can end the list", () => {
  const sent = new TextDecoder().decode(encodeFiles({ a: "1\r\n.\n", b: "" }));
  assert.equal(sent, "a\n 1\n .\n \nb\n \n.\n");
});
