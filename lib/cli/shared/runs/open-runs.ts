import { openHistory } from "../../../backend/embedded/embedded.ts";
import { timeoutSignal } from "../../../base/timers.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { dataFolder } from "../../../driver/program/data-folder.ts";
import { type Api, ApiAwayError, call, type Caller } from "../api/call.ts";
import { reachApi } from "../api/reach-api.ts";
import { announcedServer } from "../api/server-file.ts";
import { historyCaller } from "./history-caller.ts";

export interface RunsOptions {
  readonly api?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly data?: string | undefined;
}

/** The runs of a control plane or of a data folder, behind one interface. */
export interface Runs extends AsyncDisposable {
  readonly call: Caller;
  /** The control plane; undefined for a data folder. */
  readonly api: Api | undefined;
}

/** How long a control plane on this machine may take to answer, milliseconds. */
const HERE_MS = 5000;

/**
 * Opens the runs of the control plane that the flags name. Without one, opens those of the control plane that
 * serves the data folder on this machine, otherwise the folder's own history. Throws InputError and
 * UnavailableError.
 */
export async function openRuns(options: RunsOptions, environment: Environment): Promise<Runs> {
  const named = await findPlane(options, environment);
  if (named) {
    return {
      api: named,
      call: (request) => call(named, request),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const history = await openHistory(dataFolder(options.data, environment));
  return {
    api: undefined,
    call: historyCaller(history),
    [Symbol.asyncDispose]: () => history[Symbol.asyncDispose](),
  };
}

/**
 * Returns the control plane that the flags name, or the one that serves the data folder on this machine;
 * undefined if there is none. Throws InputError and UnavailableError.
 */
export async function findPlane(options: RunsOptions, environment: Environment): Promise<Api | undefined> {
  const { api } = options;
  return api === undefined
    ? await serverHere(options, environment)
    : await reachApi({ ...options, api }, environment);
}

/** Returns the local control plane. Undefined if none answers: a killed one leaves its address behind. */
async function serverHere(options: RunsOptions, environment: Environment): Promise<Api | undefined> {
  const url = await announcedServer(dataFolder(options.data, environment));
  if (url === undefined) return undefined;
  const api = await reachApi({ ...options, api: url }, environment);
  const signal = timeoutSignal(HERE_MS);
  try {
    for await (const _ of await call(api, { method: "GET", path: "/runs?limit=1", signal })) break;
    return api;
  } catch (error) {
    if (error instanceof ApiAwayError || signal.aborted) return undefined;
    throw error;
  }
}
