/** Where a run of the suite works: a temporary folder and a name for images that nobody else has. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { filesIn, processesWith, watchDocker } from "./leftovers.ts";

export interface SuitePlace extends Disposable {
  /** What the tests' environment has beside this process's. */
  readonly environment: Record<string, string>;
  /** What was left here, when the last test is through. */
  left(): Promise<string[]>;
  /** Ends and removes what is here, for a run that is cut off: what tests have started outlives them where they are killed. */
  clear(): void;
}

/** With an image of its own where one is named. */
export function suitePlace(image: string | undefined): SuitePlace {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "conveyor-suite-")));
  // Some tests read as another user.
  chmodSync(folder, 0o711);
  const repository = basename(folder).toLowerCase();
  using opening = new DisposableStack();
  opening.defer(() => rmSync(folder, { recursive: true, force: true }));
  const own = image === undefined ? undefined : `${repository}:base`;
  if (image !== undefined && own !== undefined) {
    docker("tag", image, own);
    opening.defer(() => docker("rmi", own));
  }
  const watch = own === undefined ? undefined : opening.use(watchDocker(repository));
  const parts = opening.move();
  const look = () => [
    ...filesIn(folder),
    ...processesWith(folder).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...watch?.left().filter((what) => what !== `image ${own}`) ?? [],
  ];
  return {
    environment: { TMPDIR: folder, ...own !== undefined && { CONVEYOR_TEST_IMAGE: own } },
    async left() {
      // A process that was killed, or a container that is being removed, may take a moment.
      let left = look();
      for (let i = 0; left.length > 0 && i < 50; i++, left = look()) await Bun.sleep(100);
      return left;
    },
    clear() {
      for (const { pid } of processesWith(folder)) process.kill(pid, "SIGKILL");
      for (const what of watch?.left() ?? []) {
        const [kind = "", name = ""] = what.split(" ");
        const remove = kind === "container" ? ["rm", "-fv"] : kind === "image" ? ["rmi", "-f"] : [kind, "rm"];
        if (name !== own) spawnSync("docker", [...remove, name]);
      }
    },
    [Symbol.dispose]: () => parts.dispose(),
  };
}

function docker(...args: string[]): void {
  const { status, stderr } = spawnSync("docker", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`docker ${args.join(" ")} failed: ${stderr.trim()}`);
}
