import { fileURLToPath } from "node:url";
import { openFleet } from "../../tests/support/fleet.ts";
import { keep } from "./kept.ts";
import { oneOf, type Soak } from "./soak.ts";
import { talkingRun } from "./talkers.ts";

const FILE = fileURLToPath(new URL("talker-driver.ts", import.meta.url));
/** Instances of each of the two drivers. */
const INSTANCES = 2;

/** Drivers as processes, each killed while it works and started again. */
export const driversAreKilled: Soak = {
  name: "driver processes killed",
  async prepare(parts) {
    const fleet = parts.use(await openFleet());
    const names = ["talker", "last"].flatMap((name) => Array.from({ length: INSTANCES }, () => name));
    const start = (name: string) => fleet.driver(FILE, ["--concurrency", "4"], { SOAK_DRIVER: name });
    const drivers = await Promise.all(names.map(async (name) => parts.use(await keep(() => start(name)))));
    return { atOnce: 8, run: () => talkingRun(fleet), strike: () => oneOf(drivers).strike() };
  },
};
