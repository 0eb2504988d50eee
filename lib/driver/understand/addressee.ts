import type { Delivery } from "../../backend/transport.ts";
import { HEADERS } from "../../wire/headers.ts";
import { ids } from "../../wire/ids.ts";
import type { Resource } from "../../wire/resource.ts";
import type { BrokenEvent, DriverEvent } from "./decode.ts";
import type { EventFacts } from "./event-facts.ts";
import type { Grant } from "../claim/grant.ts";
import { type Mask, maskOf } from "../log/mask/mask.ts";
import type { EchoedResource } from "../report/result.ts";

/** Whose event it is, and what a result of it is made of. */
export interface Addressee {
  readonly facts: EventFacts;
  readonly type: string;
  /** The name of the resource's pipeline, as it stands in lines of the log. */
  readonly pipeline: string | undefined;
  readonly resource: EchoedResource;
  readonly mask: Mask;
  /** The message id and the headers of a result. */
  readonly result: { readonly id: string; readonly headers: Record<string, string> };
  /** What the result is signed with. */
  readonly key?: string | undefined;
  /** Until when a result may be tried to be sent; without, a few times. */
  readonly signal?: AbortSignal;
}

/**
 * Whom a result of this event goes to. An event without claims has one result, whichever of its deliveries it comes from;
 * one with claims, one for each attempt.
 */
export function addresseeOf(
  delivery: Delivery,
  event: DriverEvent | BrokenEvent,
  facts: EventFacts,
  granted?: Grant & { mask: Mask; signal: AbortSignal },
): Addressee {
  const resource = "resource" in event ? event.resource : undefined;
  const type = resource?.resource ?? delivery.subject.split(".").at(-1) ?? "";
  const standIn = () => JSON.stringify(standInFor(resource, type, facts.step));
  const attempt = facts.hasClaims ? granted?.attempt : undefined;
  return {
    facts,
    type,
    pipeline: resource && pipelineName(resource),
    resource: { payload: "payload" in event ? event.payload : standIn(), standIn },
    mask: granted?.mask ?? maskOf({}),
    result: {
      id: ids.result(facts.run, facts.scope, attempt ?? 1),
      headers: {
        [HEADERS.step]: facts.step,
        ...attempt !== undefined && { [HEADERS.attempt]: String(attempt) },
      },
    },
    ...granted && { signal: granted.signal, key: granted.key },
  };
}

/** How much of a pipeline's name stands in every line of the log. */
const PIPELINE_LENGTH = 128;

export const pipelineName = ({ pipeline }: Resource): string | undefined =>
  pipeline?.slice(0, PIPELINE_LENGTH);

/** As much of a resource as tells which one it is. */
function standInFor(resource: Resource | undefined, type: string, step: string): Resource {
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
