import type { Mask } from "../log/mask/mask.ts";
import type { BrokenEvent, DriverEvent } from "../understand/decode.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";
import type { Grant } from "./grant.ts";
import type { Lease } from "./lease.ts";

/** An event that may be worked on: the right to, for how long, and what its log and its result must not show. */
export interface GrantedEvent<Event = DriverEvent | BrokenEvent> extends EventInHand<Event> {
  readonly grant: Grant;
  readonly lease: Lease;
  readonly mask: Mask;
}
