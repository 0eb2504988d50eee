import { messageOf } from "../../base/errors.ts";
import { sendRequest } from "../../base/http.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { EXIT } from "../../driver/program/command-line/exit-codes.ts";
import { neutralText } from "../../driver/program/command-line/neutral.ts";

const ANSWER_MS = 5000;
const MOST_CHARS = 2000;

/** Prints whether the driver or control plane at this address is ready, and returns the exit code. */
export async function sayReady({ host, port }: { host: string; port: number }): Promise<number> {
  const url = new URL(`http://${host.includes(":") ? `[${host}]` : host}:${port}/readyz`);
  const why = await whyNotReady(url);
  process.stdout.write(why === undefined ? "Ready\n" : `Not ready: ${neutralText(why)}\n`);
  return why === undefined ? EXIT.ok : EXIT.unavailable;
}

/** Returns the reasons that are given at this URL, or why there is no answer; undefined if it is ready. */
export async function whyNotReady(url: URL): Promise<string | undefined> {
  const signal = timeoutSignal(ANSWER_MS);
  try {
    const answer = await sendRequest(url, { method: "GET", headers: {}, signal, silenceMs: ANSWER_MS });
    let text = "";
    for await (const chunk of answer) if (text.length < MOST_CHARS) text += String(chunk);
    if (answer.statusCode === 200) return undefined;
    const reasons = text.slice(0, MOST_CHARS).trim().split("\n").join("; ");
    return answer.statusCode === 503 ? reasons : `${url} answers with ${answer.statusCode}: ${reasons}`;
  } catch (error) {
    return `${url} does not answer: ${messageOf(error)}`;
  }
}
