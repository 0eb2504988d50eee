import { parseJson } from "../../base/json.ts";
import { createHmac } from "node:crypto";
import type { IsGenuine } from "../../backend/shared/log-gate.ts";
import type { Delivery } from "../../backend/transport.ts";
import {
  answerMac,
  type ClaimReply,
  type ClaimRequest,
  progressProof,
  renewalProof,
} from "../../wire/claim.ts";
import { HEADERS } from "../../wire/headers.ts";
import { readLog } from "../../wire/messages.ts";
import type { Run } from "../../wire/run.ts";
import { attemptKey, isSame, isSignedWith, signed, type SignedMessage } from "../../wire/signature.ts";
import { openStep } from "../core/steps.ts";

export interface SignaturesOptions {
  /** The installation's key, 32 bytes. */
  readonly sealKey: Uint8Array;
  /** Drivers that neither claim nor sign, as configured by the operator: Conveyor's own. */
  readonly foreignDrivers?: readonly string[] | undefined;
}

/**
 * Verifies that a message comes from the driver that was granted the step. The driver gets the attempt's key
 * with the answer to its claim and signs results, log batches and renewals with it.
 */
export class Signatures {
  readonly #key: Uint8Array;
  readonly #foreign: ReadonlySet<string>;

  constructor({ sealKey, foreignDrivers = [] }: SignaturesOptions) {
    // Derives a separate key, so that signatures reveal nothing about the key that seals secrets.
    this.#key = createHmac("sha256", sealKey).update("conveyor signatures v1").digest();
    this.#foreign = new Set(foreignDrivers);
  }

  /** Returns true if the operator has configured the driver as one that neither claims nor signs. */
  isForeign(driver: string): boolean {
    return this.#foreign.has(driver);
  }

  keyOf(run: string, step: string, attempt: number | string): string {
    return attemptKey(this.#key, run, step, String(attempt));
  }

  /** Returns the headers of a message of the engine itself, signed. */
  sign(run: string, message: SignedMessage, data: string): Record<string, string> {
    return signed(this.#keyFor(run, message), message, data);
  }

  /** Returns why a result is rejected, or undefined if it is valid. */
  whyNotResult(run: Run, driver: string, { subject, id, headers, data }: Delivery): string | undefined {
    const message = { subject, id, headers };
    if (headers[HEADERS.signature] !== undefined) {
      return isSignedWith(this.#keyFor(run.id, message), message, data)
        ? undefined
        : `The signature of a result of driver "${driver}" is wrong`;
    }
    const step = openStep(run);
    const isClaimed = step?.driver === driver && step.instance !== undefined;
    if (this.#foreign.has(driver) && !isClaimed) return undefined;
    return `A result of driver "${driver}" is not signed: expected one of a driver that has claimed the step, ` +
      "or of one that is named with --foreign-driver";
  }

  /** Returns true if the renewal is signed with its attempt's key. */
  isRenewal(run: string, request: ClaimRequest): boolean {
    const { step, attempt = 0, proof = "", progress, progressProof: own = "" } = request;
    const key = this.keyOf(run, step, attempt);
    return isSame(proof, renewalProof(key, request)) &&
      (progress === undefined || isSame(own, progressProof(key, request)));
  }

  /** Signs the answer to a renewal, so that the driver can verify that it comes from the engine. */
  answer(run: string, { step, attempt = 0, nonce = "" }: ClaimRequest, reply: ClaimReply): ClaimReply {
    return { ...reply, mac: answerMac(this.keyOf(run, step, attempt), nonce, reply) };
  }

  /** Returns true if the log batch is accepted. Calls `data` only if the lines are needed for that. */
  readonly isGenuineBatch: IsGenuine = async (run, message, data) => {
    if (message.headers[HEADERS.signature] !== undefined) {
      return isSignedWith(this.#keyFor(run, message), message, typeof data === "function" ? undefined : data);
    }
    if (this.#foreign.size === 0 || message.headers[HEADERS.lines] !== undefined) return false;
    const bytes = typeof data === "function" ? await data() : data;
    return bytes !== undefined && this.#foreign.has(driverOf(bytes));
  };

  #keyFor(run: string, { headers }: SignedMessage): string {
    return this.keyOf(run, headers[HEADERS.step] ?? "", headers[HEADERS.attempt] ?? "");
  }
}

function driverOf(data: Uint8Array): string {
  try {
    return readLog(parseJson(new TextDecoder().decode(data))).driver;
  } catch {
    return "";
  }
}
