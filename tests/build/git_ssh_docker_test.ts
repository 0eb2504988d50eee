import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { gitContainerName } from "../../lib/build/labels.ts";
import type { BuildPolicy } from "../../lib/build/policy.ts";
import { StopError } from "../../lib/driver/driver.ts";
import { FULL_GIT_IMAGE, noFullGit } from "../support/full-git-image.ts";
import { type SshServer, startSshServer } from "../support/ssh-server.ts";
import { resourceOf, testDocker } from "../support/step-context.ts";
import { assertUnknownIn } from "../support/unknown-in.ts";
import { testPolicy } from "../support/settings.ts";
import { build } from "./build.ts";
import { needing } from "../support/needs.ts";

const { after, before, test } = needing("Docker", noFullGit);

const server: { current?: SshServer } = {};
const running = () => {
  assert.ok(server.current);
  return server.current;
};
before(async () => {
  server.current = await startSshServer();
});
after(() => server.current?.[Symbol.asyncDispose]());

/** The policy of an operator who knows the server and has this key for it. */
const withKey = (key: string, given: Partial<BuildPolicy> = {}): BuildPolicy => ({
  ...testPolicy(),
  allowNetworks: ["host"],
  gitImage: FULL_GIT_IMAGE,
  gitTokens: { "127.0.0.1": key },
  gitKnownHosts: `[127.0.0.1]:${running().port} ${running().hostKey}`,
  ...given,
});

/** A line of a private key that nothing else has. */
const middleOf = (key: string): string => key.split("\n")[2] ?? "";

test(
  "git-cloner clones by ssh for any user of the build, with a key that the build never sees",
  async () => {
    const { keys, url } = running();
    await build({ repository: url(), network: "host", user: "games" }, async ({ step, idle: container }) => {
      await step(containerStart, { policy: withKey(keys.opens) });
      const { result, failure, lines } = await step(gitCloner, { policy: withKey(keys.opens) });
      assert.ok(result?.success, `${failure?.message}\n${lines.join("\n")}`);
      const shown = execFileSync("docker", ["exec", container, "stat", "-c", "%U %n", "a.txt"], {
        encoding: "utf8",
      });
      assert.equal(shown, "games a.txt\n");
      assertUnknownIn(container, middleOf(keys.opens));
    });
  },
);

test(
  "git-cloner believes no ssh host that it does not know, and says why a clone by ssh fails",
  async () => {
    const { keys, url, port, hostKey } = running();
    const line = `[127.0.0.1]:${port} ${hostKey}`;
    const stranger = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    await build({ repository: url(), network: "host", image: FULL_GIT_IMAGE }, async ({ step }) => {
      await step(containerStart, { policy: withKey(keys.opens) });
      const failureOf = async (policy: BuildPolicy, repository = url()) => {
        const spec = { repository, network: "host", image: FULL_GIT_IMAGE };
        const { failure } = await step(gitCloner, { policy, resource: resourceOf(spec) });
        return `${failure?.reason}: ${failure?.message}`;
      };
      const unknown = await failureOf(withKey(keys.opens, { gitKnownHosts: `git.example.org ${hostKey}` }));
      assert.match(unknown, /^clone-failed: /);
      assert.ok(unknown.endsWith(`--git-known-hosts this line: ${line}`), unknown);
      const changed = await failureOf(
        withKey(keys.opens, { gitKnownHosts: `[127.0.0.1]:${port} ${stranger}` }),
      );
      assert.match(
        changed,
        /^clone-failed: .*"127\.0\.0\.1" shows another host key than the one that is known/,
      );
      assert.match(
        await failureOf(withKey(keys.stranger)),
        /^repository-not-found: Cannot read the repository/,
      );
      assert.match(await failureOf(withKey(keys.opens), url("none.git")), /^repository-not-found: /);
      assert.match(await failureOf(withKey(keys.opens), "ssh://git@127.0.0.1:1/app.git"), /^clone-failed: /);
      assert.match(
        await failureOf({ ...withKey(keys.opens), gitTokens: {} }),
        /^repository-not-found: /,
        "without a key, from the build's own container",
      );
    });
  },
);

test(
  "an ssh key of a clone that is cut off is on no disk and in no process of the build, and gone with its container",
  async () => {
    const { keys, url, hasHung } = running();
    await using docker = testDocker();
    const policy = withKey(keys.hangs);
    await build({ repository: url(), network: "host" }, async ({ step, idle: container, run }) => {
      await step(containerStart, { policy });
      const cut = new AbortController();
      const cloning = step(gitCloner, { policy, signal: cut.signal });
      cloning.catch(() => {});
      await Promise.race([hasHung, cloning]);
      const name = gitContainerName(run);
      assertUnknownIn(container, middleOf(keys.hangs));
      assert.throws(() => assertUnknownIn(name, middleOf(keys.hangs)), "the search would find it");
      const changed = execFileSync("docker", ["diff", name], { encoding: "utf8" });
      assert.doesNotMatch(changed, /credential|conveyor-git/);
      cut.abort(new StopError("cancelled"));
      await assert.rejects(cloning, { name: "StopError" });
      assert.equal(await docker.inspect(name), undefined);
      assertUnknownIn(container, middleOf(keys.hangs));
    });
  },
);
