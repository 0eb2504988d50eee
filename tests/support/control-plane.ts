import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openNats } from "../../lib/backend/nats/transport.ts";
import type { Context, Driver } from "../../lib/driver/driver.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import type { RunEvent } from "../../lib/engine/core/events.ts";
import { BUILD_PIPELINE } from "../../lib/build/pipeline.ts";
import { FLUTTER_BUILDER } from "../../lib/build/spec.ts";
import type { DriverResult } from "../../lib/wire/resource.ts";
import { type Ended, type Started, startFlutterCi } from "../cli/start-program.ts";
import { freePort } from "./nats-server.ts";
import { testPolicy, testSettings } from "./settings.ts";
import { testDocker } from "./step-context.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A control plane as a process. Its data folder and its address outlive the process. */
export interface ControlPlane extends AsyncDisposable {
  readonly url: string;
  readonly data: string;
  /** Starts it; resolves once it serves. */
  start(
    options?: { env?: Record<string, string>; flags?: readonly string[]; cwd?: string },
  ): Promise<Started>;
  /** Starts one that may exit before it serves. */
  doomed(env: Record<string, string>): Started;
  /** Runs `flutter-ci submit --json -c make` with an unreachable repository, unless one is named. */
  submit(...words: string[]): Submitted;
  token(): Promise<string>;
}

export interface Submitted extends Started {
  /** Resolves to the JSON lines of its stdout once it has ended. */
  events(): Promise<RunEvent[]>;
}

/** `flags` of every `flutter-ci up` of this plane. Dispose kills what still runs. */
export async function controlPlane(...flags: string[]): Promise<ControlPlane> {
  const parts = new AsyncDisposableStack();
  const { path } = parts.use(await temporaryFolder());
  const data = join(path, "data");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const keep = <T extends Started>(started: T): T => {
    let isOver = false;
    void started.ended.then(() => isOver = true);
    parts.defer(async () => {
      if (!isOver) started.kill("SIGKILL");
      await started.ended;
    });
    return started;
  };
  const launch = (env: Record<string, string>, more: readonly string[] = [], cwd?: string) => {
    const words = ["up", "--data", data, "--listen", `127.0.0.1:${port}`, ...flags, ...more];
    return keep(startFlutterCi(words, { env, ...cwd !== undefined && { cwd } }));
  };
  return {
    url,
    data,
    async start({ env = {}, flags: more = [], cwd } = {}) {
      const up = launch(env, more, cwd);
      await up.said("Serves ");
      return up;
    },
    doomed: (env) => launch(env),
    submit(...words) {
      const isNamed = words.some((word) => word.startsWith("https:"));
      const repository = isNamed ? [] : ["https://repository.invalid/app.git"];
      const base = ["submit", "--json", "--api", url, "--data", data, "-c", "make"];
      const started = keep(startFlutterCi([...base, ...words, ...repository], { cwd: path }));
      return { ...started, events: async () => eventsIn(await started.ended) };
    },
    token: async () => (await readFile(join(data, "token"), "utf8")).trim(),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function eventsIn({ stdout }: Ended): RunEvent[] {
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** The work of steps, by driver. Other steps succeed at once. */
export type Work = Partial<
  Record<
    "container-start" | "git-cloner" | "builder" | "container-stop",
    (context: Context) => Promise<DriverResult | void>
  >
>;

/** Starts the drivers of the build's pipeline in this process, over a broker, without Docker. */
export async function scriptedDrivers(broker: string, work: Work): Promise<AsyncDisposable> {
  const parts = new AsyncDisposableStack();
  const transport = parts.use(await openNats({ servers: [broker] }));
  // Never called.
  const docker = parts.use(testDocker());
  for (const { driver: name } of BUILD_PIPELINE.steps) {
    const driver: Driver = {
      name,
      resources: [FLUTTER_BUILDER],
      reconcile: async (context) =>
        await work[name as keyof Work]?.(context) ?? { success: true, message: `${name} is done` },
    };
    const instance = parts.use(
      startInstance({
        driver,
        transport,
        docker,
        settings: testSettings(),
        policy: testPolicy(),
        concurrency: 4,
      }),
    );
    await instance.ready;
  }
  return parts;
}
