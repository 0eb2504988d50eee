import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Figure, Place } from "./bench.ts";
import { cProject, goModule, npmProject, type Project } from "./cached-projects.ts";
import { runProcess } from "./processes.ts";
import { ratioFigure } from "./ratio.ts";
import { commitAll } from "./small-repository.ts";

const SECOND_BUILD = 0.3;

/** The time that caches save in a second build. */
export const secondBuild: Bench = {
  name: "second-build",
  group: "everyday",
  async measure(place) {
    const image = await toolsImage(place);
    const figures: Figure[] = [];
    for (const project of [goModule, cProject]) figures.push(await buildTwice(place, image, project));
    try {
      figures.push(await buildTwice(place, image, npmProject));
    } catch (error) {
      // A container may not reach npm's registry; behind a proxy with its own authority, CONVEYOR_CA names
      // that.
      place.say(`not measured: ${npmProject.what}: ${error}`);
    }
    return figures;
  },
};

/** Returns the image with Go, npm and ccache. Made here, because no other bench needs it. */
async function toolsImage({ root, say }: Place): Promise<string> {
  say("needs an image with Go, npm and ccache, which takes minutes to make");
  const script = `. '${root}/scripts/lib.sh' && need_tools_image && printf %s "$TOOLS_IMAGE"`;
  return (await runProcess(["bash", "-c", script], { output: true })).stdout;
}

async function buildTwice(
  { folder, program, say }: Place,
  image: string,
  { what, files, cache, env, command }: Project,
): Promise<Figure> {
  say(`builds ${what} twice`);
  const repository = join(folder, what.replace(/\W+/g, "-"));
  mkdirSync(repository);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(repository, name), text);
  await commitAll(repository);
  const data = `${repository}-data`;
  const flags = ["--image", image, "--data", data, "--cache", `it:${cache}`];
  const variables = env.flatMap((one) => ["-e", one]);
  const run = async () =>
    (await runProcess([program, "run", ...flags, ...variables, "-c", command, repository])).ms;
  try {
    const [first, second] = [await run(), await run()];
    return ratioFigure(`second build of ${what}`, { first, second, most: SECOND_BUILD });
  } finally {
    await runProcess([program, "gc", "--cache-max", "0", "--data", data]);
  }
}
