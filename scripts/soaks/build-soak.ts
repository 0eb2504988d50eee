import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openNats } from "../../lib/backend/nats/transport.ts";
import { delay } from "../../lib/base/signals.ts";
import { BUILD_PIPELINE } from "../../lib/build/pipeline.ts";
import type { RunEvent } from "../../lib/engine/core/events.ts";
import { controlPlane } from "../../tests/support/control-plane.ts";
import { ACK_WAIT_MS, startDriver } from "../../tests/support/fleet.ts";
import { startNats } from "../../tests/support/nats-server.ts";
import { remoteRepository } from "../../tests/support/remote-repository.ts";
import { type StartedExecs, startedExecs } from "../../tests/support/started-execs.ts";
import { dockerObjects, testDocker } from "../../tests/support/step-context.ts";
import { countedLines, inOrder, stepsOf, wrongInTimeline } from "./checks.ts";
import { keep } from "./kept.ts";
import { oneOf, type Soak } from "./soak.ts";

const AT_ONCE = 4;
const INSTANCES = 2;
const LINES = 400;
/** The commands of each build. No text of one is part of another. */
const COMMANDS = {
  first: "echo first >marks",
  talk: `for i in $(seq ${LINES}); do echo "line $i"; sleep 0.004; done`,
  last: "echo last >>marks; cp marks out.txt",
};
/** The log shows this where a crash of the builder has cut it. */
const CUT = "An earlier attempt had begun this build and was lost";
/** Drivers look every minute for containers that others have left. */
const SWEEP_MS = 70_000;

/**
 * Whole builds over a broker. The four drivers and the control plane are processes; again and again, one of
 * them is killed.
 */
export const buildsOverKills: Soak = {
  name: "builds in Docker; drivers, control plane and broker killed",
  async prepare(parts) {
    const docker = parts.use(testDocker());
    const { url, image } = parts.use(remoteRepository());
    const before = await dockerObjects(docker);
    const broker = parts.use(await startNats());
    const flags = ["--nats", broker.url, "--ack-wait", `${ACK_WAIT_MS}ms`];
    const plane = parts.use(await controlPlane(...flags, "--drivers", "none"));
    const up = parts.use(await keep(() => plane.start()));
    const transport = parts.use(await openNats({ servers: [broker.url] }));
    const { owner } = await transport.owner();
    const execs = parts.use(await startedExecs(owner));
    const start = async (name: string) => {
      const driver = startDriver(name, [...flags, "--slots", `${AT_ONCE}`, "--concurrency", "2"]);
      await driver.said(" takes events of ");
      return driver;
    };
    const names = BUILD_PIPELINE.steps.flatMap(({ driver }) =>
      Array.from({ length: INSTANCES }, () => driver)
    );
    const drivers = await Promise.all(names.map(async (name) => parts.use(await keep(() => start(name)))));
    const killBroker = async () => {
      await broker.kill();
      await delay(Math.random() * 1000);
      await broker.start();
    };
    const victims = [...drivers, up, { strike: killBroker }];
    return {
      atOnce: AT_ONCE,
      patienceMs: 300_000,
      pauseMs: [0, 2000],
      async run(i) {
        const output = join(plane.data, `out-${i}`);
        const commands = Object.values(COMMANDS).flatMap((command) => ["-c", command]);
        for (;;) {
          const submitted = plane.submit("--image", image, ...commands, "-a", "out.txt", "-o", output, url);
          const [{ code, stderr }, events] = [await submitted.ended, await submitted.events()];
          // The control plane was down and did not take the run.
          if (code === 3 && events.length === 0) {
            await delay(200);
            continue;
          }
          const marks = await readFile(join(output, "out.txt"), "utf8").catch(() => "");
          const found = wrongInBuild({ code, events, marks, execs });
          return {
            outcome: outcomeOf(events),
            wrong: found.map((what) => `${events[0]?.run ?? stderr}: ${what}`),
          };
        }
      },
      strike: () => oneOf(victims).strike(),
      async leftovers() {
        const added = async () => (await dockerObjects(docker)).filter((name) => !before.includes(name));
        const patience = performance.now() + SWEEP_MS;
        while ((await added()).length > 0 && performance.now() < patience) await delay(1000);
        const lost = before.length + (await added()).length !== (await dockerObjects(docker)).length;
        return [...await added(), ...lost ? ["Something that was there before is gone"] : []];
      },
    };
  },
};

function outcomeOf(events: readonly RunEvent[]): string {
  const end = events.at(-1);
  return end?.type === "end" ? end.reason ?? end.outcome : "lost";
}

/**
 * Returns what is wrong: a build must succeed completely, or fail because its builder was lost, and say so.
 */
function wrongInBuild(
  { code, events, marks, execs }: {
    code: number;
    events: readonly RunEvent[];
    marks: string;
    execs: StartedExecs;
  },
): string[] {
  const found = wrongInTimeline(events);
  const end = events.at(-1);
  if (end?.type !== "end") return found;
  const lines = countedLines(events, "builder");
  if (inOrder(lines) !== lines.length) {
    found.push(`after line ${inOrder(lines)} comes ${lines[inOrder(lines)]}`);
  }
  for (const command of Object.values(COMMANDS)) {
    const times = execs.of(end.run, command).length;
    if (times > 1) found.push(`"${command}" was run ${times} times`);
  }
  const steps = `${stepsOf(events)}`;
  const whole = BUILD_PIPELINE.steps.map(({ id }) => `${id} succeeded`);
  if (end.outcome === "succeeded") {
    if (code !== 0) found.push(`submit exited with ${code}`);
    if (steps !== `${whole}`) found.push(steps);
    if (lines.length !== LINES) found.push(`${lines.length} lines of ${LINES}`);
    if (marks !== "first\nlast\n") found.push(`its artifact is ${JSON.stringify(marks)}`);
  } else if (end.reason === "driver-lost") {
    if (code !== 1) found.push(`submit exited with ${code}`);
    if (steps !== `${whole.with(2, "builder failed")}`) found.push(steps);
    const isShown = events.some((event) => event.type === "log" && event.message.startsWith(CUT));
    if (!isShown) found.push("its log does not show that it was cut");
  } else found.push(`it ended as ${end.outcome}: ${end.reason}, ${end.message}`);
  return found;
}
