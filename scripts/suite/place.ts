/**
 * Where a run of the suite works: a temporary folder and names for images that nobody else has, with a part
 * for each lane.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type DockerWatch, watchDocker } from "./docker-watch.ts";
import { filesIn, mountsBelow, processesWith } from "./leftovers.ts";

/** Jobs that run at once are in different lanes, so that it is known which one has left something. */
export interface Lane {
  /** What the tests' environment has beside this process's. */
  readonly environment: Record<string, string>;
  /** What is there and ought not to be, once what is about to go has had the time to. */
  left(): Promise<string[]>;
  /** Ends and removes what is there. */
  clear(): Promise<void>;
}

export interface SuitePlace extends AsyncDisposable {
  readonly lanes: readonly Lane[];
}

/** How often a lane is looked at until what is left there is taken to stay, and the pause in between. */
const LOOKS = 100;
const PAUSE_MS = 50;

/** With images of its own, made of the one that is named. Dispose clears what is there. */
export async function suitePlace(lanes: number, image: string | undefined): Promise<SuitePlace> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "conveyor-suite-")));
  passable(folder);
  const name = basename(folder).toLowerCase();
  await using opening = new AsyncDisposableStack();
  opening.defer(() => rmSync(folder, { recursive: true, force: true }));
  const watch = image === undefined ? undefined : opening.use(watchDocker(`${name}/`));
  const made = Array.from({ length: lanes }, (_, i) => {
    const lane = openLane(join(folder, `${i + 1}`), image, `${name}/${i + 1}`, watch);
    opening.defer(() => lane.close());
    return lane;
  });
  const parts = opening.move();
  return { lanes: made, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

function openLane(
  folder: string,
  image: string | undefined,
  repository: string,
  watch: DockerWatch | undefined,
): Lane & { close(): Promise<void> } {
  mkdirSync(folder);
  passable(folder);
  const own = `${repository}:base`;
  if (image !== undefined) docker("tag", image, own);
  const onDocker = async () => (await watch?.left(repository) ?? []).filter(({ name }) => name !== own);
  const look = async () => [
    ...filesIn(folder).map((name) => `file ${name}`),
    ...processesWith(folder).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...(await onDocker()).map(({ kind, name }) => `${kind} ${name}`),
  ];
  const clear = async () => {
    // First what makes the rest.
    for (const { pid } of processesWith(folder)) kill(pid);
    for (const object of await onDocker()) await watch?.remove(object);
    for (const point of mountsBelow(folder)) spawnSync("umount", ["-l", point]);
    for (const file of filesIn(folder)) rmSync(join(folder, file), { recursive: true, force: true });
  };
  return {
    environment: { TMPDIR: folder, ...image !== undefined && { CONVEYOR_TEST_IMAGE: own } },
    async left() {
      let left = await look();
      for (let i = 0; left.length > 0 && i < LOOKS; i++, left = await look()) await Bun.sleep(PAUSE_MS);
      return left;
    },
    clear,
    async close() {
      await clear();
      if (image !== undefined) docker("rmi", own);
    },
  };
}

/** Some tests read as another user. */
const passable = (folder: string) => chmodSync(folder, 0o711);

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function docker(...args: string[]): void {
  const { status, stderr } = spawnSync("docker", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`docker ${args.join(" ")} failed: ${stderr.trim()}`);
}
