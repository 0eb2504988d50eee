import { randomBytes, randomUUID } from "node:crypto";
import {
  type GoEvent,
  goJson,
  type GoResource,
  type GoResult,
  readEvent,
  resourceStruct,
  struct,
} from "./go.ts";
import type { GoPipeline, ServerState } from "./state.ts";

export interface EngineOptions {
  readonly state: ServerState;
  readonly publish: (subject: string, data: string) => Promise<unknown>;
  /** Behaves as servers after 0.6.6 (protocol 9), not as those up to it (protocol 3). */
  readonly newer: boolean;
}

/**
 * The pipeline engine of a Conveyor server. It has no end of a run: after a failure, and after the last step,
 * nothing happens. It stores results before it checks anything about them.
 */
export class ConveyorEngine {
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Starts a run of a stored resource, and returns its id. */
  async start(resource: GoResource, event: "create" | "update" | "delete"): Promise<string> {
    const { publish, newer } = this.#options;
    const run = randomUUID();
    if (resource.pipeline === "") {
      await this.#send(`resources.${resource.resource}`, newer ? event : "create", resource, run);
      return run;
    }
    const driverresult = struct({ success: false, message: "", data: null, driver: "" });
    const init = struct({ event, run_id: run, resource: resourceStruct(resource), driverresult });
    await publish("pipelines.pipeline.init", goJson(init));
    return run;
  }

  /**
   * Handles a message of the stream `pipeline-engine`. Throws if Go could not decode it; no client is told.
   */
  async take(subject: string, data: string): Promise<void> {
    const event = readEvent(JSON.parse(data), { texts: !this.#options.newer });
    if (subject === "pipelines.pipeline.init") await this.#begin(event);
    if (subject === "pipelines.driver.result") await this.#goOn(event);
  }

  async #begin({ event, run_id, resource }: GoEvent): Promise<void> {
    const { state, newer } = this.#options;
    const pipeline = state.pipelines.get(resource.pipeline);
    const [first] = pipeline?.steps ?? [];
    if (!first) return;
    const stored = newer ? this.#openStep(resource, run_id, event, first.id, {}) : resource;
    await this.#send(`drivers.${first.driver}.resources.${resource.resource}`, event, stored, run_id);
  }

  async #goOn({ run_id, resource: echoed, driverresult: result }: GoEvent): Promise<void> {
    if (echoed.pipeline === "") return;
    const stored = this.#options.state.resource(echoed.resource, echoed.name);
    if (!stored) throw new Error("failed to save the driver result: resource not found");
    const pipeline = this.#options.state.pipelines.get(echoed.pipeline);
    if (this.#options.newer) await this.#nextByStep(run_id, echoed, stored, result, pipeline);
    else await this.#nextByDriver(run_id, stored, result, pipeline);
  }

  /** Takes a result for that of the first step of its driver, whichever step it is of. */
  async #nextByDriver(
    run: string,
    stored: GoResource,
    result: GoResult,
    pipeline: GoPipeline | undefined,
  ): Promise<void> {
    stored.metadata = { ...stored.metadata, [`driverresults.${result.driver}`]: goJson(result) };
    this.#options.state.setResource(stored);
    const at = pipeline?.steps.findIndex((step) => step.driver === result.driver) ?? -1;
    const next = at < 0 || !result.success ? undefined : pipeline?.steps[at + 1];
    if (!next) return;
    await this.#send(`drivers.${next.driver}.resources.${stored.resource}`, "process", stored, run);
  }

  async #nextByStep(
    run: string,
    echoed: GoResource,
    stored: GoResource,
    result: GoResult,
    pipeline: GoPipeline | undefined,
  ): Promise<void> {
    const metadata = stored.metadata ?? {};
    const { current_pipeline_step: id, current_pipeline_run, current_pipeline_event } = metadata;
    const isCurrent = echoed.id === stored.id && run === current_pipeline_run &&
      echoed.metadata?.current_pipeline_step === id;
    const at = pipeline?.steps.findIndex((step) => step.id === id && step.driver === result.driver) ?? -1;
    if (!isCurrent || at < 0) return;
    const event = String(current_pipeline_event);
    const results = { ...Object(metadata.driverresults), [result.driver]: result };
    const refuses = Object(result.data).success === false;
    const next = result.success && !refuses ? pipeline?.steps[at + 1] : undefined;
    const after = this.#openStep(stored, run, event, next?.id ?? "", results);
    if (next) await this.#send(`drivers.${next.driver}.resources.${stored.resource}`, event, after, run);
    else if (event === "delete" && result.success) {
      this.#options.state.deleteResource(stored.resource, stored.name);
    }
  }

  #openStep(
    resource: GoResource,
    run: string,
    event: string,
    step: string,
    driverresults: Record<string, unknown>,
  ): GoResource {
    const opened = {
      ...resource,
      metadata: {
        ...resource.metadata,
        driverresults,
        current_pipeline_step: step,
        current_pipeline_run: run,
        current_pipeline_event: event,
        ...event === "delete" && { deleting: true, deletion_runid: run, deletion_failed: false },
      },
    };
    this.#options.state.setResource(opened);
    return opened;
  }

  async #send(subject: string, event: string, resource: GoResource, run: string): Promise<void> {
    const payload = goJson(resourceStruct(resource));
    const message = struct({ event, payload, id: randomBytes(12).toString("hex"), run_id: run });
    await this.#options.publish(subject, goJson(message));
  }
}
