/** Subjects of protocol 1.2, and those used only between our own engine and drivers. */
export const subjects = {
  /** A resource without a pipeline, for every driver that handles its type. */
  resource: (type: string) => `resources.${type}`,
  /** A step's event for its driver. */
  step: (driver: string, type: string) => `drivers.${driver}.resources.${type}`,
  /** A step's event for its driver on one host, which has the run's container. */
  stepOnHost: (driver: string, host: string, type: string) =>
    `drivers.${driver}.hosts.${host}.resources.${type}`,
  pipelineInit: "pipelines.pipeline.init",
  result: "pipelines.driver.result",
  /** All messages for the engine. */
  pipelines: "pipelines.>",
  logs: (run: string) => `logs.${run}`,
  liveLogs: (run: string, driver: string) => `live.logs.${run}.${driver}`,
  /** Request and reply: may this instance work on this step? */
  claim: (run: string, driver: string) => `runs.${run}.claim.${driver}`,
  claims: "runs.*.claim.*",
  /** Request and reply: is this run still open? `{"alive": boolean}`. Asked before a host is cleaned up. */
  alive: (run: string) => `runs.${run}.alive`,
  alives: "runs.*.alive",
  /** Request and reply: does an instance of this driver have room for a run? `{"why": …}` if not. */
  room: (driver: string) => `room.${driver}`,
  /** Broadcast to the instances that work on a step of the run: renew your claim now. */
  nudge: (run: string) => `runs.${run}.nudge`,
} as const;

/** Names of the durable consumers: one for all instances of a driver, one more for those on a host. */
export const consumers = {
  shared: (driver: string) => driver,
  onHost: (driver: string, host: string) => `${driver}_at_${host}`,
  engine: "pipeline-engine",
} as const;

/** True if `filter` matches `subject`, with NATS's wildcards `*` (one token) and `>` (one or more). */
export function matches(filter: string, subject: string): boolean {
  const wanted = filter.split(".");
  const given = subject.split(".");
  for (const [i, part] of wanted.entries()) {
    if (part === ">") return given.length > i;
    if (given[i] === undefined || (part !== "*" && part !== given[i])) return false;
  }
  return wanted.length === given.length;
}

/** The three streams of protocol 1.1, and what each keeps. */
export const STREAMS = {
  /** Kept while a consumer wants it. */
  messages: { subjects: ["resources.>", "events.>", "drivers.>"], retention: "interest" },
  /** Kept until the engine has acked it. */
  "pipeline-engine": { subjects: ["pipelines.>"], retention: "workqueue" },
  /** Kept by limits: this stream is the log store. */
  "logs-engine": { subjects: ["logs.>"], retention: "limits" },
} as const;

export type StreamName = keyof typeof STREAMS;
