import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Embedded, openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { openControlPlane } from "../../lib/backend/nats/control-plane.ts";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Transport } from "../../lib/backend/transport.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import { HEADERS } from "../../lib/wire/headers.ts";
import { subjects } from "../../lib/wire/subjects.ts";
import type { Bench, Figure } from "./bench.ts";
import { brokerWithStreams, eventOf, grantAll } from "./nats-scene.ts";
import { NO_DOCKER, SETTINGS, TYPE } from "./no-op.ts";
import { rounded } from "./numbers.ts";

const CASES = [
  { what: "to our control plane, in batches", claims: true, lines: 1_000_000, target: 200_000 },
  { what: "to a Conveyor server's streams, a message each", claims: false, lines: 100_000, target: 15_000 },
] as const;
const CHUNK_LINES = 400;
const READ_TARGET = 100_000;

/** How many lines of 80 bytes a second a step can log, from its driver's `write` until all are stored. */
export const natsLogs: Bench = {
  name: "nats-logs",
  group: "nats",
  async measure({ folder, say }) {
    const figures: Figure[] = [];
    await using local = await openEmbedded({ folder: join(folder, "data"), scope: "up" });
    for (const { what, claims, lines, target } of CASES) {
      await using server = await brokerWithStreams({ newOwner: () => local.owner });
      await using transport = await openNats({ servers: [server.url] });
      await using _claims = await grantAll(transport);
      say(`${lines} lines ${what}`);
      const run = randomUUID();
      const perSecond = lines / await secondsToLog(transport, { run, lines, claims });
      figures.push({
        what: `log lines/s of ${lines}, ${what}`,
        ours: `${Math.round(perSecond)}/s`,
        target: `≥ ${target}/s`,
        isMet: perSecond >= target,
        numbers: { perSecond: rounded(perSecond) },
      });
      if (claims) figures.push(await readFigure(server.url, local, { run, lines }));
    }
    return figures;
  },
};

/** What a reader of the stored log gets, as our control plane reads it. */
async function readFigure(
  url: string,
  { store: local, owner }: Embedded,
  { run, lines }: { run: string; lines: number },
): Promise<Figure> {
  const nats = { servers: [url] };
  const isGenuine = () => Promise.resolve(true);
  // The data folder stays open: it is closed with the bench.
  const kept = { ...local, [Symbol.asyncDispose]: () => Promise.resolve() };
  await using plane = await openControlPlane({ nats, local: kept, owner, isGenuine });
  const begun = performance.now();
  let read = 0;
  for await (const batch of plane.store.logs.read(run)) read += batch.lines.length;
  const perSecond = read / ((performance.now() - begun) / 1000);
  if (read !== lines) throw new Error(`The log has ${read} lines: expected ${lines}`);
  return {
    what: `a stored log of ${lines} lines on the broker to one reader`,
    ours: `${Math.round(perSecond)}/s`,
    target: `≥ ${READ_TARGET}/s`,
    isMet: perSecond >= READ_TARGET,
    numbers: { perSecond: rounded(perSecond) },
  };
}

async function secondsToLog(
  transport: Transport,
  { run, lines, claims }: { run: string; lines: number; claims: boolean },
): Promise<number> {
  const { promise: began, resolve: begin } = Promise.withResolvers<number>();
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const driver = {
    name: "logger",
    resources: [TYPE],
    async reconcile({ log }: { log: { write(stream: "stdout", data: Uint8Array): Promise<void> } }) {
      begin(performance.now());
      for (let at = 0; at < lines; at += CHUNK_LINES) await log.write("stdout", chunkOf(at));
      return { success: true, message: "" };
    },
  };
  await using instance = startInstance({
    driver,
    transport,
    docker: NO_DOCKER,
    settings: SETTINGS,
    // Passed when every line is stored.
    faultPoint: (point) => point === "logged" && end(performance.now()),
  });
  await instance.ready;
  await transport.publish(subjects.step("logger", TYPE), eventOf(run), {
    id: `${run}/logger/1`,
    headers: claims ? { [HEADERS.claims]: "1", [HEADERS.step]: "logger" } : {},
  });
  return (await ended - await began) / 1000;
}

function chunkOf(from: number): Uint8Array {
  const lines = Array.from({ length: CHUNK_LINES }, (_, i) => `${String(from + i).padStart(79, "x")}\n`);
  return new TextEncoder().encode(lines.join(""));
}
