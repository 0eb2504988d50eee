import { messageOf } from "../base/errors.ts";
import { processLog } from "../base/log.ts";
import { delay } from "../base/signals.ts";
import type { Transport } from "../backend/transport.ts";
import type { Docker } from "../docker/docker.ts";
import { subjects } from "../wire/subjects.ts";
import type { Driver, DriverSettings } from "./driver.ts";

const EVERY_MS = 60_000;
const ANSWER_MS = 5000;

/** Lets a driver look after its host, now and every minute, until `signal` fires. */
export async function tend(
  driver: Driver,
  { transport, docker, settings, signal, everyMs = EVERY_MS }: {
    transport: Transport;
    docker: Docker;
    settings: DriverSettings;
    signal: AbortSignal;
    everyMs?: number;
  },
): Promise<void> {
  if (!driver.tend) return;
  const isAlive = (run: string) => askIfAlive(transport, run, signal);
  while (!signal.aborted) {
    try {
      await driver.tend({ docker, settings, isAlive, signal });
    } catch (error) {
      if (signal.aborted) return;
      processLog("driver").warn("Cannot look after the host: {why}", { why: messageOf(error) });
    }
    await delay(everyMs, { signal }).catch(() => {});
  }
}

/** What the engine says; undefined where none answers. */
async function askIfAlive(
  transport: Transport,
  run: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    const answer = await transport.request(subjects.alive(run), "", { timeoutMs: ANSWER_MS, signal });
    const { alive } = JSON.parse(new TextDecoder().decode(answer));
    return typeof alive === "boolean" ? alive : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
