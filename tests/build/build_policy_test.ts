import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { BUILD_POLICY } from "../../lib/build/policy-flags.ts";
import { newCommand } from "../../lib/driver/program/command-line/command.ts";
import { readPolicy, withPolicyFlags } from "../../lib/driver/program/policy-flags.ts";
import { TEST_CERTIFICATE } from "../docker/certificate.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

async function policyOf(...words: string[]) {
  const command = withPolicyFlags(newCommand({ path: "x", summary: "x", examples: [] }), BUILD_POLICY);
  command.configureOutput({ writeErr: () => {} });
  const policy = await readPolicy(BUILD_POLICY, command.parse(words, { from: "user" }).opts());
  const { environment, dockerConfig, gitKnownHosts, ...rest } = policy;
  assert.ok(environment.PATH);
  assert.match(dockerConfig ?? "", /./);
  assert.match(gitKnownHosts, /^|github\.com/);
  return rest;
}

const DEFAULTS = {
  maxCpus: undefined,
  maxMemory: undefined,
  maxPids: 4096,
  maxDiskBytes: undefined,
  gitMirror: true,
  caches: { maxBytes: 20 * 1024 ** 3, maxAgeMs: 30 * 24 * 3_600_000 },
  allowImages: [],
  allowNetworks: [],
  allowEnv: [],
  allowPrivileged: false,
  allowKeep: false,
  allowLocalRepository: false,
  gitTokens: {},
  gitImage: undefined,
  authorities: undefined,
  signers: undefined,
};

test("the build drivers allow nothing more than the defaults where no flag says so", async () => {
  assert.deepEqual(await policyOf(), DEFAULTS);
});

test("the build drivers take every limit from its flag, and credentials from the file that it names", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "token");
  await writeFile(file, "t0ken\n");
  const ca = join(folder.path, "ca.pem");
  await writeFile(ca, TEST_CERTIFICATE.cert);
  const signers = join(folder.path, "signers");
  const signer = `me@example.org ssh-ed25519 AAAA${"B".repeat(64)}\n`;
  await writeFile(signers, signer);
  const words =
    "--max-cpus 1.5 --max-memory 4k --max-pids 5 --max-disk 6k --cache-max 7k --cache-age 2d --git-mirror off --allow-image a --allow-image b --allow-network n " +
    `--allow-env E --allow-privileged --allow-keep --git-token a.example=${file} --git-image i --ca ${ca} --verify-signatures ${signers}`;
  assert.deepEqual(await policyOf(...words.split(" ")), {
    maxCpus: 1.5,
    maxMemory: 4096,
    maxPids: 5,
    maxDiskBytes: 6144,
    gitMirror: false,
    caches: { maxBytes: 7168, maxAgeMs: 172_800_000 },
    allowImages: ["a", "b"],
    allowNetworks: ["n"],
    allowEnv: ["E"],
    allowPrivileged: true,
    allowKeep: true,
    allowLocalRepository: false,
    gitTokens: { "a.example": "t0ken" },
    gitImage: "i",
    authorities: { pem: TEST_CERTIFICATE.cert, names: ["localhost"] },
    signers: { ssh: signer, openpgp: "" },
  });
});

test("the build drivers refuse what a flag of theirs does not take, in its own words", async () => {
  await assert.rejects(policyOf("--max-cpus", "0"), {
    message: '--max-cpus: Invalid number "0": expected a number above 0, like 1.5',
  });
  await assert.rejects(policyOf("--git-token", "secret"), { message: /^--git-token: .*expected HOST=FILE/ });
  await using folder = await temporaryFolder();
  const signers = join(folder.path, "signers");
  await writeFile(signers, `me@example.org ssh-ed25519 AAAA${"B".repeat(64)}\n`);
  await assert.rejects(policyOf("--verify-signatures", signers), {
    message:
      /^--verify-signatures: The git of the build's image .* submitters choose it here: expected a --git-image/,
  });
  assert.ok((await policyOf("--verify-signatures", signers, "--allow-image", "a")).signers);
  await assert.rejects(policyOf("--git-token", "h=/nowhere"), {
    message: /^--git-token: Cannot read "\/nowhere"/,
  });
});
