/**
 * `bun scripts/releases/run-build.ts < BUILD`: one build, with the options of `Bun.build` as JSON from stdin. A command
 * line could not carry all of them, since the system limits one word of it to 128 KiB. Prints the names of the source
 * files as JSON.
 */

const { metafile } = await Bun.build({ ...await Bun.stdin.json(), metafile: true });
console.log(JSON.stringify(Object.keys(metafile?.inputs ?? {})));
