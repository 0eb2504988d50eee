import { version } from "../driver/program/command-line/version.ts";
import { FLUTTER_BUILDER } from "./spec.ts";
import type { Pipeline } from "../wire/resource.ts";

/** The tutorial's four steps. The last one always runs. */
export const BUILD_PIPELINE: Pipeline = {
  name: FLUTTER_BUILDER,
  description: "Build a repository in a container of its own",
  resource: FLUTTER_BUILDER,
  steps: [
    { id: "container-start", name: "Start a container", driver: "container-start" },
    { id: "git-cloner", name: "Clone the repository into it", driver: "git-cloner" },
    { id: "builder", name: "Run the build", driver: "builder" },
    { id: "container-stop", name: "Stop and delete the container", driver: "container-stop", always: true },
  ],
};

export const BUILD_DRIVERS = BUILD_PIPELINE.steps.map(({ driver }) => driver);

/** The version that the four drivers print for `--version`. */
export const BUILD_VERSION = version();
