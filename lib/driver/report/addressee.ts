import { HEADERS } from "../../wire/headers.ts";
import { ids } from "../../wire/ids.ts";
import type { Resource } from "../../wire/resource.ts";
import type { GrantedEvent } from "../claim/granted-event.ts";
import { type Mask, maskOf } from "../log/mask/mask.ts";
import type { EventFacts } from "../understand/event-facts.ts";
import type { EventInHand } from "../understand/event-in-hand.ts";
import type { EchoedResource } from "./result.ts";

/** Where a result goes, and what it is made of. */
export interface Addressee {
  readonly facts: EventFacts;
  readonly resource: EchoedResource;
  readonly mask: Mask;
  /** The message id and the headers of a result. */
  readonly result: { readonly id: string; readonly headers: Record<string, string> };
  /** Signs the result. */
  readonly key?: string | undefined;
  /** Aborts sending of the result; without it, sending is tried a few times. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Builds the reply address. Unclaimed events share one result id across redeliveries; claimed events get one
 * per attempt.
 */
export function addresseeOf(
  { event, facts, grant, lease, mask }: EventInHand & Partial<GrantedEvent>,
): Addressee {
  const standIn = JSON.stringify(standInFor("resource" in event ? event.resource : undefined, facts));
  const attempt = facts.hasClaims ? grant?.attempt : undefined;
  return {
    facts,
    resource: { payload: "payload" in event ? event.payload : standIn, standIn },
    mask: mask ?? maskOf({}),
    result: {
      id: ids.result(facts.run, facts.scope, attempt ?? 1),
      headers: {
        [HEADERS.step]: facts.step,
        ...attempt !== undefined && { [HEADERS.attempt]: String(attempt) },
      },
    },
    key: grant?.key,
    signal: lease?.reportSignal,
  };
}

/** A resource reduced to what identifies it. */
function standInFor(resource: Resource | undefined, { type, step }: EventFacts): Resource {
  const { id = "", name = "", pipeline } = resource ?? {};
  return {
    id: id.slice(0, 256),
    name: name.slice(0, 256),
    ...typeof pipeline === "string" && { pipeline: pipeline.slice(0, 256) },
    resource: type,
    metadata: { current_pipeline_step: step },
    spec: null,
  };
}
