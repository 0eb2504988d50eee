import assert from "node:assert/strict";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import type { BuildPolicy } from "../../lib/build/policy.ts";
import { parseSigners } from "../../lib/build/signatures/parse.ts";
import { imageWithScript } from "../support/derived-image.ts";
import { FULL_GIT_IMAGE, noFullGit } from "../support/full-git-image.ts";
import { testPolicy } from "../support/settings.ts";
import { type SignedRepository, signedRepository } from "../support/signed-repository.ts";
import { resourceOf, TEST_IMAGE } from "../support/step-context.ts";
import { build } from "./build.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", noFullGit);

const made: { current?: SignedRepository } = {};
before(() => {
  made.current = signedRepository();
});
after(() => made.current?.[Symbol.dispose]());
const signed = (): SignedRepository => made.current ?? assert.fail();

/** How clones of a branch end, on one container of this image: the signer, or reason and message. */
async function cloning(
  spec: object,
  work: (
    cloned: (
      ref: string,
      keys?: string,
      policy?: Partial<BuildPolicy>,
    ) => Promise<{ signer: string; why: string }>,
  ) => Promise<void>,
): Promise<void> {
  const given = { repository: signed().path, network: "none", ...spec };
  await build(given, async ({ step }) => {
    assert.ok((await step(containerStart)).result?.success);
    await work(async (ref, keys, policy = {}) => {
      const resource = resourceOf({
        image: TEST_IMAGE,
        ...given,
        ref,
        ...keys !== undefined && { verifySignatures: keys },
      });
      const { result, failure } = await step(gitCloner, { resource, policy: testPolicy(policy) });
      const { signer } = (result?.data ?? {}) as { signer?: string };
      return { signer: signer ?? "", why: failure ? `${failure.reason}: ${failure.message}` : "" };
    });
  });
}

test(
  "git-cloner takes only commits whose signature git accepts, by ssh and by OpenPGP keys",
  async () => {
    const { alice, mallory } = signed().signers;
    // Its system's configuration would accept everything.
    using image = imageWithScript(
      "/etc/gitconfig",
      '[gpg]\n\tprogram = /bin/true\n\tminTrustLevel = never\n[gpg "ssh"]\n\tprogram = /bin/true\n\tallowedSignersFile = /etc/passwd',
      { image: FULL_GIT_IMAGE },
    );
    await cloning({ image: image.name }, async (cloned) => {
      const both = alice.ssh + alice.openpgp;
      for (const keys of [alice.ssh, both]) {
        const { signer, why } = await cloned("ssh-alice", keys);
        assert.match(signer, /^alice@example\.org \(SHA256:[\w+/]{43}\)$/, why);
      }
      const byGpg = await cloned("gpg-alice", both);
      assert.match(byGpg.signer, /^alice <alice@example\.org> \([0-9A-F]{40}\)$/, byGpg.why);

      assert.match(
        (await cloned("unsigned", both)).why,
        /^not-signed: The commit [0-9a-f]{12} is not signed, which spec/,
      );
      const refused =
        /^not-signed: The commit [0-9a-f]{12} has no signature of a key in spec\.verifySignatures that git/;
      for (const ref of ["ssh-mallory", "gpg-mallory", "ssh-changed", "gpg-changed"]) {
        assert.match((await cloned(ref, both)).why, refused, ref);
      }
      assert.match((await cloned("gpg-alice", alice.ssh)).why, refused);
      assert.match((await cloned("ssh-alice", alice.openpgp)).why, refused);
      assert.equal((await cloned("ssh-mallory", mallory.ssh)).why, "");
      assert.equal((await cloned("unsigned")).why, "");
    });
  },
);

test(
  "an operator's signers hold whatever a spec says, where only the operator's image acts",
  async () => {
    const { alice, mallory } = signed().signers;
    const operators = { signers: parseSigners(alice.ssh), gitImage: FULL_GIT_IMAGE };
    await cloning({ image: TEST_IMAGE, user: "1234:1234" }, async (cloned) => {
      assert.match((await cloned("ssh-alice", undefined, operators)).signer, /^alice@/);
      assert.match(
        (await cloned("ssh-mallory", mallory.ssh, operators)).why,
        /^not-signed: .* in --verify-signatures that/,
      );
      assert.match(
        (await cloned("ssh-alice", mallory.ssh, operators)).why,
        /^not-signed: .* in spec\.verifySignatures that/,
      );
      assert.match(
        (await cloned("unsigned", undefined, operators)).why,
        /is not signed, which --verify-signatures asks for/,
      );
    });
  },
);

test("git-cloner says what an image lacks to check a signature", async () => {
  const { alice } = signed().signers;
  await cloning({ image: TEST_IMAGE }, async (cloned) => {
    assert.match(
      (await cloned("ssh-alice", alice.ssh)).why,
      /^image-unusable: The image ".*" has no ssh-keygen, which/,
    );
    assert.match(
      (await cloned("gpg-alice", alice.openpgp)).why,
      /^image-unusable: The image ".*" has no gpg, which/,
    );
  });
  await cloning({ image: FULL_GIT_IMAGE, user: "1234" }, async (cloned) => {
    assert.match(
      (await cloned("ssh-alice", alice.ssh)).why,
      /^image-unusable: The build's user has no name in the image/,
    );
  });
});
