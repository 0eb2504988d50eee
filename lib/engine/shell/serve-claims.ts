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
  readonly traceparent?: ((run: Run, step: string) => string) | undefined;
  /** Returns the input for timeouts and silence, which is decided before the claim. */
  readonly time: (run: Run) => Input;
}

/**
 * Longest time to wait for the answer to a nudge, milliseconds. A connected attempt answers at once; one that
 * has just lost its broker needs to reconnect.
 */
const LONGEST_GRACE_MS = 3000;

/** How long an attempt has to answer a nudge, milliseconds. */
export const longestGrace = (ackWaitMs: number): number => Math.min(ackWaitMs / 3, LONGEST_GRACE_MS);

/** When a silent attempt was nudged, by the monotonic clock. */
export interface Question {
  readonly attempt: string;
  readonly at: number;
}

/** Answers claims until disposed. `asked` keeps the nudged attempts by run. */
export async function serveClaims(
  options: ClaimsOptions,
  asked = new Map<string, Question>(),
): Promise<AsyncDisposable> {
  const desk = new ClaimDesk(options, asked);
  return await retry(() => options.transport.serve(subjects.claims, (message) => desk.answer(message)));
}

class ClaimDesk {
  readonly #options: ClaimsOptions;
  readonly #asked: Map<string, Question>;
  readonly #graceMs: number;

  constructor(options: ClaimsOptions, asked: Map<string, Question>) {
    this.#options = options;
    this.#asked = asked;
    this.#graceMs = longestGrace(options.ackWaitMs);
  }

  async answer({ subject, data }: Message): Promise<string> {
    const { signatures } = this.#options;
    const [, id = "", , driver = ""] = subject.split(".");
    const request = parse(data);
    if (!request) return JSON.stringify(stop("invalid-event"));
    if (request.attempt === undefined) return JSON.stringify(await this.#reply(id, driver, request));
    if (!signatures.isRenewal(id, request)) return JSON.stringify(stop("invalid-event"));
    return JSON.stringify(signatures.answer(id, request, await this.#reply(id, driver, request)));
  }

  async #reply(id: string, driver: string, request: ClaimRequest): Promise<ClaimReply> {
    // Unseal first: if that fails, no attempt has been granted in vain.
    const secrets = request.attempt === undefined ? await this.#secretsOf(id) : undefined;
    const { run, answer } = await this.#decide(id, driver, request);
    if (!run) return stop("cancelled");
    switch (answer.answer) {
      case "go":
        this.#asked.delete(id);
        return this.#granted(run, request.step, answer, secrets);
      case "wait":
        if (answer.ask) await this.#nudge(run);
        return { answer: "wait", retryMs: answer.retryMs };
      default:
        return answer;
    }
  }

  #granted(
    run: Run,
    step: string,
    { isNew, ...granted }: Extract<Answer, { answer: "go" }>,
    secrets: Readonly<Record<string, string>> | undefined,
  ): ClaimReply {
    if (!isNew) return granted;
    const { signatures, traceparent } = this.#options;
    return {
      ...granted,
      key: signatures.keyOf(run.id, step, granted.attempt),
      ...traceparent && { traceparent: traceparent(run, step) },
      ...secrets && { secrets: secretsFor(driverOf(run, step), secrets) },
    };
  }

  /** Asks the current attempt for a sign of life, unless its result is on the way. */
  async #nudge(run: Run): Promise<void> {
    const { transport, clocks } = this.#options;
    const step = openStep(run);
    if (step && await isReported(transport, run, step)) return;
    this.#note(run.id, { attempt: attemptOf(run), at: clocks.monotonic() });
    await transport.broadcast(subjects.nudge(run.id), "").catch(() => {});
  }

  async #decide(id: string, driver: string, request: ClaimRequest): Promise<{ run?: Run; answer: Answer }> {
    const { records } = this.#options;
    let answer: Answer = stop("cancelled");
    const run = await records.note(id, (stored) => {
      if (isForged(stored, driver, request)) {
        answer = stop("invalid-event");
        return stored;
      }
      const decided = this.#claim(stored, request);
      answer = decided.answer;
      return decided.run;
    });
    if (!run) return { answer };
    // A timeout may have closed the step. Publish the next one in the background, so that the driver need not
    // wait for it.
    if (run.outbox.length > 0) records.publish(id);
    return { run, answer };
  }

  #claim(stored: Run, request: ClaimRequest): { run: Run; answer: Answer } {
    const { clocks, time, ackWaitMs } = this.#options;
    const now = clocks.now(stored);
    const current = decide(stored, time(stored), now);
    const before = this.#asked.get(stored.id);
    const isAsked = before?.attempt === attemptOf(current);
    const askedAt = isAsked ? now - (clocks.monotonic() - before.at) : undefined;
    return claim(current, request, { now, ackWaitMs, graceMs: this.#graceMs, askedAt });
  }

  /** Notes a question and drops outdated ones; a later claim of such a step asks again. */
  #note(id: string, question: Question): void {
    const patienceMs = this.#graceMs + 2 * this.#options.ackWaitMs;
    for (const [old, { at }] of this.#asked) if (question.at - at > patienceMs) this.#asked.delete(old);
    this.#asked.set(id, question);
  }

  async #secretsOf(id: string): Promise<Readonly<Record<string, string>> | undefined> {
    const { vault, records, clocks } = this.#options;
    try {
      return await vault.open(id);
    } catch (error) {
      // Continuing without secrets would be wrong; not answering would hang the driver.
      processLog("engine").error("{error}", { error });
      const message = error instanceof Error ? error.message : String(error);
      const input: Input = { kind: "stop", outcome: "failed", reason: "step-failed", message };
      await records.change(id, (run) => decide(run, input, clocks.now(run)));
      return undefined;
    }
  }
}

/**
 * Returns true if the step belongs to another driver, or if the event's body is not the one that was sent. So
 * a driver gets no other driver's steps, keys and secrets, and nobody works on a forged event.
 */
function isForged(run: Run, driver: string, { step: id, event, attempt, digest }: ClaimRequest): boolean {
  const step = run.steps.find((step) => step.id === id);
  if (!step) return false;
  if (step.driver !== driver) return true;
  const isCurrent = attempt === undefined && event.split("@")[0] === ids.event(run.id, id, step.dispatch);
  return isCurrent && step.digest !== undefined && digest !== step.digest;
}

const driverOf = ({ steps }: Run, id: string): string => steps.find((step) => step.id === id)?.driver ?? "";

/** Identifies the current attempt among all attempts of the run. */
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
