import { processLog } from "../../base/log.ts";
import type { Message, Transport } from "../../backend/transport.ts";
import { ClaimReply, ClaimRequest } from "../../wire/claim.ts";
import { ids } from "../../wire/ids.ts";
import type { Run } from "../../wire/run.ts";
import { secretsFor } from "../../wire/secrets.ts";
import { subjects } from "../../wire/subjects.ts";
import { type Answer, claim } from "../core/claim.ts";
import { decide, type Input } from "../core/decide.ts";
import { isReported } from "./is-reported.ts";
import { retry } from "../../base/retry.ts";
import type { Records } from "./records.ts";
import type { RunClocks } from "./run-clocks.ts";
import type { Signatures } from "./signatures.ts";
import type { Vault } from "./secrets.ts";
import { openStep } from "../core/steps.ts";
import { parseJson } from "../../base/json.ts";

export interface ClaimsOptions {
  readonly transport: Transport;
  readonly records: Records;
  readonly vault: Vault;
  readonly signatures: Signatures;
  readonly clocks: RunClocks;
  readonly ackWaitMs: number;
  /** What time has done to a run, to be decided before its claim is. */
  readonly time: (run: Run) => Input;
}

/** An attempt that is alive and connected answers a nudge at once; one that has just lost its broker needs a moment. */
const LONGEST_GRACE_MS = 3000;

/** How long an attempt has to answer when it is asked, milliseconds. */
export const longestGrace = (ackWaitMs: number): number => Math.min(ackWaitMs / 3, LONGEST_GRACE_MS);

/** When a silent attempt was asked whether it is alive, by the monotonic clock. */
export interface Question {
  readonly attempt: string;
  readonly at: number;
}

/** Answers claims until disposed. `asked`, by run, is what it remembers of silent attempts. */
export async function serveClaims(
  options: ClaimsOptions,
  asked = new Map<string, Question>(),
): Promise<AsyncDisposable> {
  const { transport, records, vault, signatures, clocks, ackWaitMs, time } = options;
  const graceMs = longestGrace(ackWaitMs);

  return await retry(() => transport.serve(subjects.claims, answerMessage));

  async function answerMessage({ subject, data }: Message): Promise<string> {
    const [, id = "", , driver = ""] = subject.split(".");
    const request = parse(data);
    if (!request) return JSON.stringify(stop("invalid-event"));
    if (request.attempt === undefined) return JSON.stringify(await answerRequest(id, driver, request));
    if (!signatures.isRenewal(id, request)) return JSON.stringify(stop("invalid-event"));
    return JSON.stringify(signatures.answer(id, request, await answerRequest(id, driver, request)));
  }

  async function answerRequest(id: string, driver: string, request: ClaimRequest): Promise<ClaimReply> {
    // Read first: should they not open, then no attempt has been granted for nothing.
    const secrets = request.attempt === undefined ? await secretsOf(id) : undefined;
    const { run, answer } = await decideClaim(id, driver, request);
    if (!run) return stop("cancelled");
    switch (answer.answer) {
      case "go": {
        asked.delete(id);
        const { attempt, tries, isNew, remainingMs } = answer;
        return {
          answer: "go",
          attempt,
          tries,
          ...(remainingMs === undefined ? {} : { remainingMs }),
          ...(isNew ? { key: signatures.keyOf(id, request.step, attempt) } : {}),
          ...(isNew && secrets ? { secrets: secretsFor(driverOf(run, request.step), secrets) } : {}),
        };
      }
      case "wait":
        if (answer.ask && !await hasReported(run)) {
          note(id, { attempt: attemptOf(run), at: clocks.monotonic() });
          await transport.broadcast(subjects.nudge(id), "").catch(() => {});
        }
        return { answer: "wait", retryMs: answer.retryMs };
      default:
        return answer;
    }
  }

  async function decideClaim(
    id: string,
    driver: string,
    request: ClaimRequest,
  ): Promise<{ run?: Run; answer: Answer }> {
    let answer: Answer = stop("cancelled");
    const decideOne = (stored: Run) => {
      if (isForged(stored, driver, request)) {
        answer = stop("invalid-event");
        return stored;
      }
      const now = clocks.now(stored);
      const current = decide(stored, time(stored), now);
      const before = asked.get(id);
      const askedAt = before?.attempt === attemptOf(current)
        ? now - (clocks.monotonic() - before.at)
        : undefined;
      const decided = claim(current, request, { now, ackWaitMs, graceMs, askedAt });
      answer = decided.answer;
      return decided.run;
    };
    const run = await records.note(id, decideOne);
    if (!run) return { answer };
    // Time has closed the step that was asked about; the driver need not wait until the next one is on its way.
    if (run.outbox.length > 0) records.publish(id);
    return { run, answer };
  }

  /** One whose answer nobody waits for any more is asked anew, should anybody claim its step again. */
  function note(id: string, question: Question): void {
    const patienceMs = graceMs + 2 * ackWaitMs;
    for (const [old, { at }] of asked) if (question.at - at > patienceMs) asked.delete(old);
    asked.set(id, question);
  }

  async function hasReported(run: Run): Promise<boolean> {
    const step = openStep(run);
    return step !== undefined && await isReported(transport, run, step);
  }

  async function secretsOf(id: string): Promise<Readonly<Record<string, string>> | undefined> {
    try {
      return await vault.open(id);
    } catch (error) {
      // To go on without them would be a guess, to leave it unanswered a hang.
      processLog("engine").error("{error}", { error });
      const message = error instanceof Error ? error.message : String(error);
      const input: Input = { kind: "stop", outcome: "failed", reason: "step-failed", message };
      await records.change(id, (run) => decide(run, input, clocks.now(run)));
      return undefined;
    }
  }
}

/**
 * Whoever may ask in the name of one driver gets the steps, keys and secrets of no other; and an event that has another body
 * than the one that was sent out is worked on by nobody.
 */
function isForged(run: Run, driver: string, { step: id, event, attempt, digest }: ClaimRequest): boolean {
  const step = run.steps.find((step) => step.id === id);
  if (!step) return false;
  if (step.driver !== driver) return true;
  const isCurrent = attempt === undefined && event.split("@")[0] === ids.event(run.id, id, step.dispatch);
  return isCurrent && step.digest !== undefined && digest !== step.digest;
}

const driverOf = ({ steps }: Run, id: string): string => steps.find((step) => step.id === id)?.driver ?? "";

/** The attempt that is current, among all of the run. */
function attemptOf(run: Run): string {
  const step = openStep(run);
  return `${step?.id}/${step?.attempt}`;
}

function parse(data: Uint8Array): ClaimRequest | undefined {
  try {
    return ClaimRequest.safeParse(parseJson(new TextDecoder().decode(data))).data;
  } catch {
    return undefined;
  }
}

function stop(reason: string): { answer: "stop"; reason: string } {
  return { answer: "stop", reason };
}
