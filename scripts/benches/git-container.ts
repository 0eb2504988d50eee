import { containerStart } from "../../drivers/container-start.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { build } from "../../tests/build/build.ts";
import { testPolicy } from "../../tests/support/settings.ts";
import { commit, smartRepositories } from "../../tests/support/smart-repository.ts";
import type { Bench } from "./bench.ts";
import { formatMs, median, rounded } from "./numbers.ts";

const ROUNDS = 15;
const WARM_UP = 2;
const TARGET_MS = 350;

/**
 * The extra cost of cloning in a separate container, as clones with a token do: a small repository, without a
 * network.
 */
export const gitContainer: Bench = {
  name: "git-container",
  group: "security",
  async measure({ say }) {
    using served = smartRepositories({ "app.git": (git, folder) => void commit(git, folder, "a.txt") });
    const { image } = served;
    const withToken = testPolicy({ allowImages: [image], gitTokens: { "git.example.org": "a token" } });
    const times: number[][] = [[], []];
    await build({ repository: served.url("app.git"), image }, async ({ step }) => {
      await step(containerStart);
      say(`${ROUNDS} clones of each kind, in turns`);
      for (let round = -WARM_UP; round < ROUNDS; round++) {
        for (const [kind, given] of [testPolicy(), withToken].entries()) {
          const began = performance.now();
          const { failure } = await step(gitCloner, { policy: given });
          if (failure) throw failure;
          if (round >= 0) times[kind]?.push(performance.now() - began);
        }
      }
    });
    const [plain = [], own = []] = times;
    const moreMs = median(own) - median(plain);
    return [{
      what: "clone with a token, in a container of its own",
      ours: formatMs(median(own)),
      reference: `${formatMs(median(plain))} in the build's container`,
      target: `≤ ${TARGET_MS} ms more`,
      isMet: moreMs <= TARGET_MS,
      numbers: {
        ms: rounded(median(own)),
        plainMs: rounded(median(plain)),
        moreMs: rounded(moreMs),
        rounds: ROUNDS,
      },
    }];
  },
};
