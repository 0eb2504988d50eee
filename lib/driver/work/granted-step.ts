import type { Grant } from "../claim/grant.ts";
import type { Lease } from "../claim/lease.ts";
import type { Mask } from "../log/mask/mask.ts";
import type { DriverEvent } from "../understand/decode.ts";
import type { EventFacts } from "../understand/event-facts.ts";

/** A step that may be worked on. */
export interface GrantedStep {
  readonly event: DriverEvent;
  readonly facts: EventFacts;
  readonly grant: Grant;
  readonly lease: Lease;
  readonly mask: Mask;
}
