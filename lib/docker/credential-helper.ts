import { parseJson } from "../base/json.ts";
import { spawn } from "node:child_process";
import process from "node:process";
import { UnavailableError } from "../base/errors.ts";
import { withDeadline } from "../base/signals.ts";
import type { RegistryLogin } from "./docker.ts";

/**
 * Timeout of a helper, milliseconds. It may have to ask a keychain; one that waits for input at a terminal
 * would wait for ever.
 */
const HELPER_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Output of helpers, with a non-zero exit code, if they have no login. */
const NOT_FOUND = /^credentials not found in native keychain/;
/** User name that marks the secret as an identity token. */
const TOKEN_USER = "<token>";

/**
 * Asks `docker-credential-<helper>` for a login; undefined if it has none. Throws `UnavailableError` with the
 * helper's name if it fails or exceeds `timeoutMs` (default 30,000).
 */
export async function askHelper(
  helper: string,
  { serverAddress, signal, timeoutMs = HELPER_MS }: {
    serverAddress: string;
    signal: AbortSignal;
    timeoutMs?: number;
  },
): Promise<RegistryLogin | undefined> {
  const program = `docker-credential-${helper}`;
  const failed = (what: string, cause?: unknown) =>
    new UnavailableError(`Cannot get the login for "${serverAddress}" from ${program}: ${what}`, {
      cause,
      hint: "Log in again with docker login, or take the helper out of Docker's config.json.",
    });
  // A name with a slash would be a path to any program.
  if (!/^[\w.-]+$/.test(helper)) throw failed("expected the helper's name to be one word");
  let result: { code: number | null; output: string };
  try {
    result = await withDeadline(
      timeoutMs,
      (deadline) => run(program, serverAddress, AbortSignal.any([signal, deadline])),
    );
  } catch (cause) {
    signal.throwIfAborted();
    throw failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { code, output } = result;
  if (code !== 0) {
    if (NOT_FOUND.test(output.trim())) return undefined;
    throw failed(`exit code ${code}${output.trim() === "" ? "" : `, ${output.trim().slice(0, 300)}`}`);
  }
  const { Username, Secret } = parseAnswer(output) ?? {};
  // Do not quote the answer: it may contain the secret.
  if (!Username || !Secret) throw failed("it answered without Username and Secret");
  return Username === TOKEN_USER
    ? { identityToken: Secret, serverAddress }
    : { username: Username, password: Secret, serverAddress };
}

/**
 * Runs the program with `get`. It runs in the root folder, so that a relative entry in PATH never finds a
 * program in the folder in which we were started.
 */
function run(
  program: string,
  input: string,
  signal: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    // Detached, so that its own child processes can be killed with it.
    const child = spawn(program, ["get"], { cwd: "/", stdio: ["pipe", "pipe", "ignore"], detached: true });
    const onAbort = () => {
      endGroup(child.pid);
      child.stdout.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const pieces: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (piece: Buffer) => {
      size += piece.length;
      if (size <= MAX_ANSWER_BYTES) pieces.push(piece);
    });
    // The program may exit before it has read its input.
    child.stdin.on("error", () => {});
    child.on("error", reject);
    child.on("close", (code) => {
      signal.removeEventListener("abort", onAbort);
      resolve({ code, output: Buffer.concat(pieces).toString("utf8") });
    });
    child.stdin.end(input);
  });
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has exited already.
  }
}

function parseAnswer(text: string): { Username?: string; Secret?: string } | undefined {
  try {
    return parseJson(text, { maxLength: MAX_ANSWER_BYTES }) as { Username?: string; Secret?: string };
  } catch {
    return undefined;
  }
}
