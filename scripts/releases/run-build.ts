/**
 * `bun scripts/releases/run-build.ts < BUILD`: one build, with the options of `Bun.build` as JSON from stdin.
 * A command line could not carry all of them, since the system limits one word of it to 128 KiB. Prints the
 * names of the source files as JSON.
 */

/** Modules that packages load and no program uses: they are left empty. */
const UNUSED = [
  "dockerode/lib/(buildkit|config|node|plugin|secret|service|session|task)",
  "@nats-io/nats-core/lib/(bench|ws_transport)",
  "@nats-io/jetstream/lib/consumer",
  "text-decoder/index",
];

const leaveOut: Bun.BunPlugin = {
  name: "leave-out",
  setup(build) {
    build.onLoad({ filter: new RegExp(`/node_modules/(${UNUSED.join("|")})\\.js$`) }, () => ({
      contents: "module.exports = {};",
      loader: "js",
    }));
  },
};

const { metafile } = await Bun.build({ ...await Bun.stdin.json(), plugins: [leaveOut], metafile: true });
console.log(JSON.stringify(Object.keys(metafile?.inputs ?? {})));
