import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readGitAccess } from "../../lib/build/git/git-access.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

test("readGitAccess believes the well-known hosts, the files' hosts before them, and none of the former where it is told to", async () => {
  await using folder = await temporaryFolder();
  const [one, two] = [join(folder.path, "one"), join(folder.path, "two")];
  await writeFile(one, `# ours\ngit.example.org ${KEY}\n`);
  await writeFile(two, `github.com ${KEY} pinned\n`);
  const hostsOf = async (given: Partial<Parameters<typeof readGitAccess>[0]>) => {
    const { gitKnownHosts } = await readGitAccess({ gitWellKnownHosts: "on", ...given });
    return gitKnownHosts.split("\n").map((line) => line.split(" ")[0]);
  };
  const builtIn = (await hostsOf({})).filter((host) => host !== "github.com");
  assert.deepEqual(new Set(builtIn), new Set(["gitlab.com", "bitbucket.org"]));
  const own = ["git.example.org", "github.com"];
  assert.deepEqual(await hostsOf({ gitKnownHosts: [one, two] }), [...own, ...builtIn]);
  assert.deepEqual(await hostsOf({ gitKnownHosts: [one, two], gitWellKnownHosts: "off" }), own);
});

test("readGitAccess names the flag, the file and the line that it cannot use", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "hosts");
  const refused = async (content: string | undefined, message: RegExp) => {
    if (content !== undefined) await writeFile(file, content);
    await assert.rejects(readGitAccess({ gitKnownHosts: [file], gitWellKnownHosts: "on" }), {
      name: "InputError",
      message,
    });
  };
  await refused(undefined, /^--git-known-hosts: Cannot read ".*hosts": ENOENT/);
  await refused("\n", /^--git-known-hosts: The file ".*hosts" is empty/);
  await refused(
    `a.example ${KEY}\nb.example\n`,
    /^--git-known-hosts: Cannot use ".*hosts": Line 2 is no entry/,
  );
});

test("readGitAccess takes a token or an open private key, and refuses what no server would take", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "credential");
  const reading = async (content: string) => {
    await writeFile(file, content);
    const { gitTokens } = await readGitAccess({
      gitToken: [{ host: "a.example", file }],
      gitWellKnownHosts: "on",
    });
    return gitTokens["a.example"];
  };
  assert.equal(await reading("\n glpat-1234 \n"), "glpat-1234");
  const openssh = (cipher: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(cipher.length);
    const bytes = Buffer.concat([Buffer.from("openssh-key-v1\0"), length, Buffer.from(cipher)]);
    return `-----BEGIN OPENSSH PRIVATE KEY-----\n${
      bytes.toString("base64")
    }\n-----END OPENSSH PRIVATE KEY-----\n`;
  };
  assert.equal(await reading(openssh("none")), openssh("none"));
  const refused: [string, RegExp][] = [
    [openssh("aes256-ctr"), /the key has a passphrase/],
    [
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
      /passphrase/,
    ],
    [`${KEY} me@host\n`, /it is a public key/],
    ["PuTTY-User-Key-File-3: ssh-ed25519\n", /PuTTY's format/],
    ["token one\ntoken two\n", /more than one word/],
  ];
  for (const [content, message] of refused) {
    await assert.rejects(reading(content), { name: "InputError", message });
  }
});
