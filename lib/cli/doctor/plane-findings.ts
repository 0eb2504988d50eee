import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { lstatIfThere } from "../../base/files.ts";
import { sendRequest } from "../../base/http.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { readInputFile } from "../../driver/program/command-line/read-input-file.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { call } from "../shared/api/call.ts";
import { reachApi } from "../shared/api/reach-api.ts";
import { announcedServer } from "../shared/api/server-file.ts";
import { givenToken } from "../shared/api/token.ts";
import { ANSWER_MS, type Check, clockFindings, failed, type Finding } from "./finding.ts";

const WHAT = "control plane";

export const planeFindings: Check = async (options, environment) => {
  const tokens = tokenFindings(options.tokenFile);
  let url = options.api;
  try {
    url ??= await announcedServer(dataFolder(options.data, environment));
  } catch (error) {
    return [...tokens, failed(WHAT, error, "Name another folder with --data, or a control plane with --api")];
  }
  if (url === undefined) {
    return [...tokens, { level: "ok", what: WHAT, message: "none serves this data folder; run needs none" }];
  }
  if (options.api !== undefined && await givenToken(options.tokenFile, environment) === undefined) {
    if (await isOpenServer(url, options.tlsCa)) {
      const message =
        `${url} answers as a Conveyor server without authentication: drivers need no token there`;
      return [...tokens, { level: "ok", what: WHAT, message }];
    }
  }
  let ca: string | undefined;
  try {
    const api = await reachApi({ ...options, api: url }, environment);
    ca = api.ca;
    const body = await call(api, { method: "GET", path: "/runs?limit=1", signal: timeoutSignal(ANSWER_MS) });
    for await (const _ of body) break;
    const known: Finding = { level: "ok", what: WHAT, message: `${url} answers, and knows the token` };
    return [...tokens, known, ...await stateFindings(url, ca)];
  } catch (error) {
    if (options.api !== undefined) {
      return [
        ...tokens,
        failed(WHAT, error, "Check --api and --token-file"),
        ...await stateFindings(url, ca),
      ];
    }
    return [...tokens, {
      level: "warn",
      what: WHAT,
      message: `The last one of this data folder, at ${url}, does not answer: ${messageOf(error)}`,
      remedy: 'Its runs go on when it is started again: "flutter-ci up"',
    }];
  }
};

/** Whether a Conveyor server that asks for no token answers there. Ours asks for one before anything else. */
async function isOpenServer(url: string, tlsCa: string | undefined): Promise<boolean> {
  try {
    const answer = await sendRequest(new URL(`${url}/logs?runid=doctor`), {
      method: "GET",
      headers: {},
      ca: tlsCa === undefined ? undefined : await readInputFile("--tls-ca", tlsCa),
      signal: timeoutSignal(ANSWER_MS),
      silenceMs: ANSWER_MS,
    });
    const isJson = /^application\/json\b/.test(answer.headers["content-type"] ?? "");
    answer.destroy();
    return answer.statusCode === 200 && isJson;
  } catch {
    return false;
  }
}

/** Returns why the control plane takes no runs, and how far its clock is off; nothing if it does not say. */
async function stateFindings(url: string, ca: string | undefined): Promise<Finding[]> {
  try {
    const answer = await sendRequest(new URL(`${url}/readyz`), {
      method: "GET",
      headers: {},
      body: undefined,
      ca,
      signal: timeoutSignal(ANSWER_MS),
      silenceMs: ANSWER_MS,
    });
    let text = "";
    for await (const chunk of answer) if (text.length < MOST_CHARS) text += String(chunk);
    const date = Date.parse(answer.headers.date ?? "");
    const clock = Number.isNaN(date)
      ? []
      : clockFindings(`The control plane's machine`, date - systemClock());
    if (answer.statusCode !== 503) return clock;
    const why = text.slice(0, MOST_CHARS).trim().split("\n").join("; ");
    return [
      { level: "fail", what: WHAT, message: `${url} is not ready: ${why}`, remedy: NOT_READY },
      ...clock,
    ];
  } catch {
    return [];
  }
}

const MOST_CHARS = 2000;
const NOT_READY = "Runs wait until that is over; its process log says more";

/** Returns whether others on this machine can read the token's file. */
function tokenFindings(file: string | undefined): Finding[] {
  const found = file === undefined ? undefined : lstatIfThere(file);
  // A pipe, or a link that leads elsewhere, says nothing.
  if (!found?.isFile() || (found.mode & 0o077) === 0) return [];
  return [{
    level: "warn",
    what: "token",
    message: `Others on this machine may read "${file}" (mode ${
      (found.mode & 0o777).toString(8).padStart(4, "0")
    })`,
    remedy: `chmod 600 "${file}"; if it was read, make another token`,
  }];
}
