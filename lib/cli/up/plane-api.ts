import { hostname } from "node:os";
import { systemClock } from "../../base/clock.ts";
import { KeptAnswers } from "../../base/kept-answers.ts";
import type { Series } from "../../base/metrics.ts";
import { FIGURES_MS } from "../../driver/program/health/driver-status.ts";
import { messageOf } from "../../base/errors.ts";
import { timeoutSignal } from "../../base/timers.ts";
import { BUILD_RESOURCE } from "../../build/resource-type.ts";
import { version } from "../../driver/program/command-line/version.ts";
import { type ApiOptions, httpApi } from "../../engine/http/api.ts";
import { namesOf } from "../../engine/http/hosts.ts";
import type { PlaneMetrics } from "../../engine/shell/plane-metrics.ts";
import type { Plane } from "./open-plane.ts";
import { planeGauges } from "./plane-gauges.ts";
import type { FleetHere } from "./start-fleet.ts";
import type { UpOptions } from "./up-flags.ts";

/** What the API of a control plane is about. */
export interface PlaneApiParts
  extends Required<Pick<ApiOptions, "engine" | "token" | "tokens" | "whyNotSigned" | "draining">> {
  readonly plane: Plane;
  readonly fleet: FleetHere | undefined;
  readonly metrics: PlaneMetrics;
  /** The data folder. */
  readonly folder: string;
}

/** Makes the control plane's API. */
export function planeApi(options: UpOptions, parts: PlaneApiParts): ReturnType<typeof httpApi> {
  const { plane, engine, fleet, metrics, folder, token, tokens, whyNotSigned, draining } = parts;
  const { store, transport } = plane;
  const kept = new KeptAnswers<Series[]>(FIGURES_MS);
  const gauges = () =>
    kept.get("gauges", () =>
      planeGauges({
        folder,
        troubles: () => engine.troubles,
        slots: () => fleet && { used: fleet.inHand, total: fleet.slots },
        stored: plane.stored,
        host: fleet?.host,
      }));
  return httpApi({
    ...{ engine, store, token, tokens, whyNotSigned, draining },
    maxOpenRuns: options.maxRuns,
    maxRunsEach: options.maxRunsEach,
    isOurHost: namesOf(options.listen.host, hostname()),
    cors: options.cors,
    resourceTypes: [BUILD_RESOURCE],
    broadcast: (subject, data) => transport.broadcast(subject, data),
    keepLogsMs: options.keepLogs,
    version: version(),
    reasons: () => whyNotReady(plane, fleet),
    metrics: () => metrics.text(store.runs, { now: systemClock(), gauges }),
  });
}

const DOCKER_MS = 3000;

/** Returns why runs cannot be processed now, one line per reason. */
async function whyNotReady(
  { broker, store }: Plane,
  fleet: FleetHere | undefined,
): Promise<string[]> {
  const reasons: string[] = broker && !broker.isConnected ? ["The broker is not connected"] : [];
  await store.runs.find("0", 1).catch((error) =>
    reasons.push(`The store does not answer: ${messageOf(error)}`)
  );
  await fleet?.docker.now({ signal: timeoutSignal(DOCKER_MS) }).catch((error) =>
    reasons.push(`Docker does not answer: ${messageOf(error)}`)
  );
  return reasons;
}
