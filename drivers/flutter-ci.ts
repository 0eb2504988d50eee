import { basename } from "node:path";
import { earlyCompletion } from "../lib/cli/completion/early-completion.ts";
import { answersEarly } from "../lib/cli/early-answer.ts";

const drivers = {
  "container-start": async () => (await import("./container-start.ts")).containerStart,
  "git-cloner": async () => (await import("./git-cloner.ts")).gitCloner,
  "builder": async () => (await import("./builder.ts")).builder,
  "container-stop": async () => (await import("./container-stop.ts")).containerStop,
};
// As a link or a copy with a driver's name, the program is that driver.
const calledAs = basename(process.argv0);
const name = Object.hasOwn(drivers, calledAs) ? calledAs : "flutter-ci";
const also = name === "flutter-ci" ? { also: earlyCompletion } : {};
if (!answersEarly(name, process.argv.slice(2), also)) {
  const { flutterCi } = await import("../lib/cli/flutter-ci.ts");
  await flutterCi(drivers);
}
