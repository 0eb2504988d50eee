import { z } from "zod";
import { messageOf, Retryable } from "../base/errors.ts";
import { processLog } from "../base/log.ts";
import { delay } from "../base/signals.ts";
import type { Transport } from "../backend/transport.ts";
import type { Docker } from "../docker/docker.ts";
import { subjects } from "../wire/subjects.ts";
import type { Driver, DriverSettings } from "./driver.ts";

const EVERY_MS = 60_000;
const ANSWER_MS = 5000;
const AliveReply = z.object({ alive: z.boolean() });

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

/** The engine's answer, undefined where no engine answers. Throws where it cannot be asked, or its answer makes no sense. */
async function askIfAlive(
  transport: Transport,
  run: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  let answer: Uint8Array;
  try {
    answer = await transport.request(subjects.alive(run), "", { timeoutMs: ANSWER_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Retryable) return undefined;
    throw error;
  }
  return AliveReply.parse(JSON.parse(new TextDecoder().decode(answer))).alive;
}
