import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { openEmbedded } from "../../lib/backend/embedded/embedded.ts";
import { openControlPlane } from "../../lib/backend/nats/control-plane.ts";
import { type NatsBackend, openNats } from "../../lib/backend/nats/transport.ts";
import type { Store } from "../../lib/backend/store.ts";
import { BUILD_PIPELINE } from "../../lib/build/pipeline.ts";
import { hostId } from "../../lib/driver/program/host-id.ts";
import type { Driver } from "../../lib/driver/driver.ts";
import { startInstance } from "../../lib/driver/instance.ts";
import type { Submission } from "../../lib/engine/core/submission.ts";
import type { Engine } from "../../lib/engine/shell/engine.ts";
import type { RunEnded, RunEvent } from "../../lib/engine/core/events.ts";
import { Signatures } from "../../lib/engine/shell/signatures.ts";
import { startEngine } from "../../lib/engine/shell/start.ts";
import type { Pipeline } from "../../lib/wire/resource.ts";
import { root, runtime, type Started, startProgram } from "../cli/start-program.ts";
import { again } from "../backend/nats-broker.ts";
import { type NatsServer, startNats } from "./nats-server.ts";
import { paced } from "./pace.ts";
import { testPolicy, testSettings } from "./settings.ts";
import { testDocker } from "./step-context.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A broker, our control plane in this process, and drivers as processes. */
export interface Fleet extends AsyncDisposable {
  readonly server: NatsServer;
  readonly transport: NatsBackend;
  readonly store: Store;
  readonly owner: string;
  readonly engine: Engine;
  /** Starts `bin/<name>`, or a driver's file, with the broker's address. Resolves once it takes events. */
  driver(name: string, flags?: readonly string[], env?: Record<string, string>): Promise<Started>;
  /** As `driver`, for one that may end before it takes events. */
  doomed(name: string, flags: readonly string[], env: Record<string, string>): Started;
  /** Starts these drivers in this process: cheaper than a process each, if the test is not about them. */
  local(...drivers: readonly Driver[]): Promise<void>;
  /** Submits a build, or a run of another pipeline. */
  submit(
    spec: object,
    pipeline?: Pipeline,
    options?: Partial<Pick<Submission, "secrets" | "timeoutMs">>,
  ): Promise<FollowedRun>;
}

export interface FleetOptions {
  /** The ack wait of the engine and the drivers' programs. Default: `ACK_WAIT_MS`. */
  readonly ackWaitMs?: number;
  /** Names of drivers that neither claim nor sign. */
  readonly foreignDrivers?: readonly string[];
  /** The nodes of a running cluster; each gets a copy of everything. Default: a broker of the fleet's own. */
  readonly nodes?: readonly NatsServer[];
}

/** A run that is followed from its start. */
export interface FollowedRun {
  readonly id: string;
  /** Resolves to the first event, past or future, that matches. */
  event(matches: (event: RunEvent) => boolean): Promise<RunEvent>;
  /** Resolves to the first line of its log that contains this text. */
  line(text: string): Promise<RunEvent>;
  readonly events: readonly RunEvent[];
  readonly ended: Promise<RunEnded>;
}

/** Short, so that instances soon take over from each other. */
export const ACK_WAIT_MS = paced(2000);

export async function openFleet(
  { ackWaitMs = ACK_WAIT_MS, nodes, foreignDrivers = [] }: FleetOptions = {},
): Promise<Fleet> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const server = nodes?.[0] ?? opening.use(await startNats());
  const servers = nodes?.map(({ url }) => url) ?? [server.url];
  const local = opening.use(await openEmbedded({ folder: folder.path, scope: "up" }));
  const { transport, store } = opening.use(
    await again(() =>
      openControlPlane({
        nats: { servers },
        local: local.store,
        owner: local.owner,
        isGenuine: new Signatures({ sealKey: local.sealKey, foreignDrivers }).isGenuineBatch,
        replicas: servers.length,
      })
    ),
  );
  const engine = opening.use(
    await startEngine({ transport, store, sealKey: local.sealKey, ackWaitMs, foreignDrivers }),
  );
  const open = opening.move();
  const start = (name: string, flags: readonly string[], env: Record<string, string>) => {
    const ours = ["--nats", servers.join(","), "--ack-wait", `${ackWaitMs}ms`];
    return open.use(disposable(startDriver(name, [...ours, ...flags], env)));
  };
  return {
    server,
    transport,
    store,
    owner: local.owner,
    engine,
    async driver(name, flags = [], env = {}) {
      const process = start(name, flags, env);
      await process.said(" takes events of ");
      return process;
    },
    doomed: start,
    async local(...drivers) {
      const docker = open.use(testDocker());
      const theirs = open.use(await openNats({ servers }));
      const policy = testPolicy();
      const settings = testSettings({ owner: local.owner, host: hostId(await docker.info()) });
      await Promise.all(
        drivers.map((driver) =>
          open.use(startInstance({ driver, transport: theirs, docker, settings, policy, ackWaitMs })).ready
        ),
      );
    },
    async submit(spec, pipeline = BUILD_PIPELINE, { secrets = {}, timeoutMs = 3_600_000 } = {}) {
      const resource = { id: randomUUID(), name: "app", resource: pipeline.resource, metadata: {}, spec };
      const id = await engine.submit({
        resource,
        pipeline,
        operation: "create",
        timeoutMs,
        restarts: 0,
        secrets,
      });
      return followed(engine, id);
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/**
 * Starts `bin/<name>`, `flutter-ci <name>` if the name has a blank, or a driver's file, on this test's
 * runtime.
 */
export function startDriver(
  name: string,
  flags: readonly string[],
  env: Record<string, string> = {},
): Started {
  const { DOCKER_HOST } = process.env;
  const all = { CONVEYOR_RUNTIME: runtime, ...DOCKER_HOST !== undefined && { DOCKER_HOST }, ...env };
  if (name.endsWith(".ts")) {
    const start = runtime === "bun" ? ["--no-env-file"] : ["run", "-A", "--no-check", "--cached-only"];
    return startProgram(process.execPath, [...start, name, ...flags], { env: all, cwd: root });
  }
  const [program = "", ...words] = name.split(" ");
  return startProgram(join(root, "bin", program), [...words, ...flags], { env: all });
}

/** Makes a process disposable: dispose kills it unless it has ended. */
export function disposable(process: Started): Started & AsyncDisposable {
  let hasEnded = false;
  const ended = process.ended.finally(() => hasEnded = true).catch(() => {});
  return {
    ...process,
    async [Symbol.asyncDispose]() {
      if (!hasEnded) process.kill("SIGKILL");
      await ended;
    },
  };
}

function followed(engine: Engine, id: string): FollowedRun {
  const events: RunEvent[] = [];
  const waiting = new Set<() => void>();
  const reading = (async () => {
    for await (const event of engine.follow(id)) {
      events.push(event);
      for (const look of waiting) look();
    }
    const last = events.at(-1);
    if (last?.type !== "end") throw new Error(`The run's events ended with ${JSON.stringify(last)}`);
    return last;
  })();
  // A test that fails before it waits for this run must end with its own error.
  reading.catch(() => {});
  const first = (matches: (event: RunEvent) => boolean) =>
    new Promise<RunEvent>((resolve, reject) => {
      const look = () => {
        const found = events.find(matches);
        if (!found) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      reading.then((end) => reject(new Error(`It ended before that: ${JSON.stringify(end)}`)), reject);
    });
  return {
    id,
    event: first,
    line: (text) => first((event) => event.type === "log" && event.message.includes(text)),
    events,
    ended: reading,
  };
}
