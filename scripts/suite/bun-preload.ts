/**
 * For `bun test` as it is typed, whose limit for a test is five seconds, whatever the machine, and begins
 * anew in each file.
 */
import { plugin } from "bun";
import { pacedNow } from "../../tests/support/pace.ts";

const limit = `import.meta.require("bun:test").setDefaultTimeout(${pacedNow(120_000)});`;

plugin({
  name: "limit of a test",
  setup(build) {
    build.onLoad({ filter: /_test\.ts$/ }, async ({ path }) => ({
      contents: `${limit} ${await Bun.file(path).text()}`,
      loader: "ts",
    }));
  },
});
