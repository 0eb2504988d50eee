/**
 * `bun scripts/releases/run-build.ts < BUILD`: one build, with the options of `Bun.build` as JSON from stdin.
 * A command line could not carry all of them, since the system limits one word of it to 128 KiB. Prints the
 * names of the source files as JSON.
 */

/** Modules that packages load and no program uses: they are left empty. */
const UNUSED = [
  ...["buildkit", "config", "node", "plugin", "secret", "service", "session", "task"]
    .map((name) => `dockerode/lib/${name}`),
  ...["bench", "ws_transport"].map((name) => `@nats-io/nats-core/lib/${name}`),
  "@nats-io/jetstream/lib/consumer",
  "text-decoder/index",
];

const emptied = new Set<string>();
const leaveOut: Bun.BunPlugin = {
  name: "leave-out",
  setup(build) {
    for (const name of UNUSED) {
      build.onLoad({ filter: new RegExp(`/node_modules/${name}\\.js$`) }, () => {
        emptied.add(name);
        return { contents: "module.exports = {};", loader: "js" };
      });
    }
  },
};

const { metafile } = await Bun.build({ ...await Bun.stdin.json(), plugins: [leaveOut], metafile: true });
// A package that names a module otherwise would bring it back unnoticed.
const missed = UNUSED.filter((name) => !emptied.has(name));
if (missed.length > 0) throw new Error(`No program loads ${missed.join(", ")}, which is to be left empty`);
console.log(JSON.stringify(Object.keys(metafile?.inputs ?? {})));
