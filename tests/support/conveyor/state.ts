import { goJson, type GoLog, type GoResource } from "./go.ts";

export interface GoPipeline {
  name: string;
  resource: string;
  steps: { id: string; name: string; driver: string }[];
}

/** The store of a Conveyor server. It keeps JSON, so changes to returned values do not change it. */
export class ServerState {
  readonly definitions = new Map<string, Record<string, unknown>>();
  readonly pipelines = new Map<string, GoPipeline>();
  readonly #resources = new Map<string, string>();
  readonly #logs: { key: string; log: GoLog }[] = [];

  resource(type: string, name: string): GoResource | undefined {
    const text = this.#resources.get(`/resources/${type}/${name}`);
    return text === undefined ? undefined : JSON.parse(text);
  }

  setResource(resource: GoResource): void {
    this.#resources.set(`/resources/${resource.resource}/${resource.name}`, goJson(resource));
  }

  deleteResource(type: string, name: string): void {
    this.#resources.delete(`/resources/${type}/${name}`);
  }

  addLog(log: GoLog): void {
    const { pipeline, driver, runid, timestamp } = log;
    this.#logs.push({ key: [pipeline, driver, runid, timestamp, crypto.randomUUID()].join("|"), log });
  }

  /** Ordered by key: pipeline, driver, run, the text of the time, then anything. */
  logs(filter: Partial<Record<"pipeline" | "driver" | "runid", string | null>>): GoLog[] {
    const { pipeline, driver, runid } = filter;
    return this.#logs
      .filter(({ log }) =>
        (!pipeline || log.pipeline === pipeline) && (!driver || log.driver === driver) &&
        (!runid || log.runid === runid)
      )
      .toSorted((a, b) => a.key < b.key ? -1 : 1)
      .map(({ log }) => log);
  }
}
