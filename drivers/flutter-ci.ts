import { flutterCi } from "../lib/cli/flutter-ci.ts";

await flutterCi({
  "container-start": async () => (await import("./container-start.ts")).containerStart,
  "git-cloner": async () => (await import("./git-cloner.ts")).gitCloner,
  "builder": async () => (await import("./builder.ts")).builder,
  "container-stop": async () => (await import("./container-stop.ts")).containerStop,
});
