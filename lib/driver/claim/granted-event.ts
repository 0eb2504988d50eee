import type { Mask } from "../log/mask/mask.ts";
import type { BrokenEvent, DriverEvent } from "../understand/decode.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";
import type { Grant } from "./grant.ts";
import type { Lease } from "./lease.ts";

/** An event that this instance may work on, with its grant, its lease and the mask for its log and result. */
export interface GrantedEvent<Event = DriverEvent | BrokenEvent> extends EventInHand<Event> {
  readonly grant: Grant;
  readonly lease: Lease;
  readonly mask: Mask;
}
