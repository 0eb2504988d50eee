import type { Store } from "../../backend/store.ts";
import { openEmbedded } from "../../backend/embedded/embedded.ts";
import type { Faults } from "../../base/faults.ts";
import { homeFolder } from "../../base/home-folder.ts";
import type { Authorities } from "../../build/authorities/parse.ts";
import { type CacheFlags, cacheLimits } from "../../build/cache/limits.ts";
import type { BuildPolicy } from "../../build/policy.ts";
import type { Signers } from "../../build/signatures/parse.ts";
import type { DaemonInfo, Docker } from "../../docker/docker.ts";
import { dockerConfigFolder } from "../../docker/endpoint.ts";
import type { Driver, DriverSettings } from "../../driver/driver.ts";
import { startInstance } from "../../driver/instance.ts";
import type { Engine } from "../../engine/shell/engine.ts";
import { startEngine } from "../../engine/shell/start.ts";
import { dataFolder } from "../../driver/program/data-folder.ts";
import { DEFAULT_LIMITS } from "../../driver/default-limits.ts";
import { openTracing } from "../shared/open-tracing.ts";
import { commandLine } from "../shared/runs/command-for.ts";
import { cleanUp } from "./clean-up.ts";
import type { Drivers } from "../shared/drivers.ts";
import type { Environment } from "../../driver/program/command-line/environment.ts";
import type { GitAccess } from "../../build/git/git-access.ts";
import { readPolicy } from "../../driver/program/policy-flags.ts";
import { hostId } from "../../driver/program/host-id.ts";
import type { Reaching } from "../../driver/program/reach-docker.ts";
import type { BuildRequest } from "../shared/request/build-request.ts";
import { buildDocker } from "./build-docker.ts";
import { lazyDrivers } from "./lazy-drivers.ts";
import type { RunOptions } from "./run-flags.ts";

/** Everything that one run needs in this process: the data folder, an engine and the drivers. */
export interface Parts extends AsyncDisposable {
  readonly engine: Engine;
  readonly store: Store;
  /**
   * Ends runs of this data folder whose process is gone, and removes what they left on this Docker. It begins
   * once `after` resolves and runs in parallel with the build. Dispose waits a while for it. Failures are
   * logged, and the next run tries again.
   */
  cleanUp(after: Promise<void>): AsyncDisposable;
}

export interface PartsOptions {
  readonly run: string;
  readonly request: BuildRequest;
  readonly options: RunOptions;
  readonly gitAccess: GitAccess;
  readonly authorities: Authorities | undefined;
  readonly signers: Signers | undefined;
  readonly caches: CacheFlags;
  readonly drivers: Drivers;
  /** Further drivers, named on the command line. */
  readonly own: readonly Driver[];
  readonly environment: Environment;
  /** Not closed with the parts. */
  readonly docker: Reaching;
  /** Called when there is time for work that is not urgent. */
  readonly onIdle: () => void;
  readonly faultPoint: Faults;
  /** Cancels the opening; has no effect afterwards. */
  readonly signal: AbortSignal;
}

/** Opens everything. Dispose closes it in reverse order. Throws UnavailableError and `signal.reason`. */
export async function openParts(parts: PartsOptions): Promise<Parts> {
  const { run, options, drivers, environment, faultPoint, signal } = parts;
  await using opening = new AsyncDisposableStack();
  const folder = dataFolder(options.data, environment);
  const opensTracing = openTracing(environment);
  // First, so that it is closed also if the folder cannot be opened.
  opening.defer(async () => await (await opensTracing)[Symbol.asyncDispose]());
  const embedded = opening.use(await openEmbedded({ folder, scope: run }));
  const { transport, store, publishRun, owner, sealKey } = embedded;
  const tracing = await opensTracing;
  const engine = opening.use(
    await startEngine({ transport, store, publishRun, sealKey, faultPoint, ...tracing.engine }),
  );
  const { docker: asked, info } = await parts.docker.answer;
  const idle = Promise.withResolvers<void>();
  const onIdle = () => {
    idle.resolve();
    parts.onIdle();
  };
  const docker = buildDocker(asked, { info, plan: parts.request.plan, onIdle });
  const settings = settingsOf(parts, { owner, host: hostId(info) });
  const policy = policyOf(parts);
  const given = { transport, docker, settings, faultPoint, claimsOnly: true };
  for (const driver of lazyDrivers(drivers, idle.promise)) {
    opening.use(startInstance({ ...given, driver, policy }));
  }
  for (const driver of parts.own) {
    const own = driver.policy && await readPolicy(driver.policy, options);
    opening.use(startInstance({ ...given, driver, policy: own }));
  }
  signal.throwIfAborted();
  const open = opening.move();
  return {
    engine,
    store,
    cleanUp: (after) =>
      cleanUp(after, {
        embedded,
        engine,
        docker: withTimeOf(info, asked),
        caches: policy.caches,
        folder,
        command: commandLine("gc", { data: options.data }),
      }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Returns the settings of a run. Its user is also the operator, so the limits are those of the spec. */
function settingsOf(
  { request }: PartsOptions,
  { owner, host }: { owner: string; host: string },
): DriverSettings {
  const { grace, limits } = request.plan.spec;
  return {
    owner,
    host,
    slots: undefined,
    graceMs: grace ?? DEFAULT_LIMITS.graceMs,
    minFreeBytes: 0,
    maxLogBytes: limits.log ?? DEFAULT_LIMITS.maxLogBytes,
    maxLogLines: undefined,
    maxArtifactBytes: limits.artifacts ?? DEFAULT_LIMITS.maxArtifactBytes,
    maxArtifactFiles: DEFAULT_LIMITS.maxArtifactFiles,
    maxTimeoutMs: undefined,
  };
}

function policyOf(
  { request, gitAccess, authorities, signers, caches, environment }: PartsOptions,
): BuildPolicy {
  return {
    maxCpus: undefined,
    maxMemory: undefined,
    maxPids: undefined,
    maxDiskBytes: undefined,
    gitMirror: caches.gitMirror === "on",
    caches: cacheLimits(caches),
    allowImages: request.trustedImages,
    allowNetworks: request.allowNetworks,
    allowEnv: request.allowEnv,
    allowPrivileged: false,
    allowKeep: true,
    allowLocalRepository: true,
    readLocal: async (path, what) =>
      await (await import("../../build/git/local-stream.ts")).localStream(path, what),
    localCommit: request.local?.commit,
    ...gitAccess,
    authorities,
    signers,
    environment,
    dockerConfig: dockerConfigFolder({ environment, home: homeFolder(environment) }),
  };
}

/**
 * An older time only leaves more for the next clean-up. Asking again would slow down the container's start.
 */
function withTimeOf({ now }: DaemonInfo, docker: Docker): Docker {
  return { ...docker, now: () => Promise.resolve(now) };
}
