import type { Transport } from "../backend/transport.ts";
import type { Clock } from "../base/clock.ts";
import type { Faults } from "../base/faults.ts";
import type { Docker } from "../docker/docker.ts";
import type { DriverEvent } from "./understand/decode.ts";
import type { Driver, DriverSettings } from "./driver.ts";
import type { Leases } from "./claim/leases.ts";
import type { LiveLines } from "./log/live-lines.ts";
import type { Observer } from "./observer.ts";
import type { RecentSet } from "../base/recent-set.ts";
import type { AskRun } from "./host/run-state.ts";

/** What it takes to handle an event. Times are milliseconds. */
export interface HandleParts {
  readonly driver: Driver;
  readonly resources: readonly string[];
  readonly transport: Transport;
  readonly docker: Docker;
  readonly settings: DriverSettings;
  /** This process, and no other. */
  readonly instance: string;
  /** Events without claims are refused: they do not come from the control plane. */
  readonly claimsOnly: boolean;
  /** An event without claims that was stored longer ago, milliseconds, fails unseen. */
  readonly maxEventAgeMs: number;
  readonly ackWaitMs: number;
  /** Before the first try again of what the machinery has failed to do; doubled each time. */
  readonly retryMs: number;
  /** How long `Context.cleanup` may take. */
  readonly cleanupMs: number;
  /** How long logs and results may still be tried to be sent once the work was told to stop. */
  readonly reportMs: number;
  readonly clock: Clock;
  readonly faultPoint: Faults;
  readonly observer: Observer;
  readonly leases: Leases;
  readonly liveLines: LiveLines;
  readonly askRun: AskRun;
  /** Whether an event without claims that comes again has been answered already. */
  readonly isAnswered?: ((event: DriverEvent) => Promise<boolean>) | undefined;
  /** Events without claims that have been settled for good: `<run>/<event id>`, since a sender may not care for ids. */
  readonly settled: RecentSet;
}
