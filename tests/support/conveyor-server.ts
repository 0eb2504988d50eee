import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  type JetStreamClient,
  jetstreamManager,
  RetentionPolicy,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { connectNats, type NatsOptions } from "../../lib/backend/nats/connection.ts";
import { authorization, type Credentials } from "../../lib/driver/conveyor/authorization.ts";
import { answer } from "./conveyor/api.ts";
import { refusal } from "./conveyor/auth.ts";
import { ConveyorEngine } from "./conveyor/engine.ts";
import { type GoEvent, goJson, type GoLog, type GoResource, readLog } from "./conveyor/go.ts";
import { ServerState } from "./conveyor/state.ts";
import { startNats } from "./nats-server.ts";
import { within } from "./within.ts";

export interface ConveyorOptions {
  /** Behaves as servers after 0.6.6 (protocol 9). */
  readonly newer?: boolean;
  /** PEM of the authority whose certificates may use the API; without it anyone may. */
  readonly ca?: string;
  /** Lines for the broker's configuration, and options to connect to it. */
  readonly config?: string;
  readonly nats?: Partial<NatsOptions>;
  /** Loopback ports to listen on. Default: free ones. */
  readonly ports?: { readonly nats: number; readonly api: number };
}

/** A message on `pipelines.driver.result`. */
export interface SentResult extends GoEvent {
  readonly text: string;
}

/**
 * A stand-in for a Conveyor CI server over a real broker, made from what is known of its wire, with its
 * faults: it acks before it works, cleans up nothing, and loses what it cannot decode.
 */
export interface ConveyorServer extends AsyncDisposable {
  readonly api: string;
  readonly nats: string;
  /** Calls its API. Returns the status and the body, parsed if it is JSON. */
  call(
    method: string,
    path: string,
    body?: unknown,
    credentials?: Credentials,
  ): Promise<{ status: number; body: unknown }>;
  /** Creates the resource, and returns the id of its run. */
  create(resource: { name: string; resource: string; pipeline?: string; spec: unknown }): Promise<string>;
  /** Resolves to the first result, past or future, that matches. */
  result(matches: (result: SentResult) => boolean): Promise<SentResult>;
  readonly results: readonly SentResult[];
  resource(type: string, name: string): GoResource | undefined;
  /** Returns the stored lines of a run as `GET /logs` does. */
  logs(run: string): Promise<GoLog[]>;
  /** Messages that the engine could not decode. */
  readonly lost: readonly string[];
}

const STREAMS = [
  ["messages", ["resources.>", "events.>", "drivers.>"], RetentionPolicy.Interest],
  ["pipeline-engine", ["pipelines.>"], RetentionPolicy.Workqueue],
  ["logs-engine", ["logs.>"], RetentionPolicy.Workqueue],
] as const;

export async function startConveyor(options: ConveyorOptions = {}): Promise<ConveyorServer> {
  const { newer = false } = options;
  await using opened = new AsyncDisposableStack();
  const broker = opened.use(
    await startNats({ config: options.config ?? "", ...options.ports && { port: options.ports.nats } }),
  );
  const connection = await connectNats({ servers: [broker.url], ...options.nats });
  opened.defer(() => connection.close());
  const state = new ServerState();
  const client = jetstream(connection);
  const engine = new ConveyorEngine({
    state,
    newer,
    publish: (subject, data) => client.publish(subject, data),
  });
  await makeStreams(connection);

  const results: SentResult[] = [];
  const lost: string[] = [];
  const waiting = new Set<() => void>();
  opened.use(
    await follow(client, "pipeline-engine", "pipelines.>", async (subject, data) => {
      if (subject === "pipelines.driver.result") results.push({ ...JSON.parse(data), text: data });
      for (const look of waiting) look();
      await engine.take(subject, data).catch((error) => lost.push(String(error)));
    }),
  );
  opened.use(
    await follow(client, "logs-engine", "logs.>", (_, data) => state.addLog(readLog(JSON.parse(data)))),
  );

  const http = createServer((request, response) => {
    void serve(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const isOpen = /^\/(health|swagger|metrics)/.test(url.pathname);
    const why = options.ca && !isOpen ? refusal(request.headers.authorization, options.ca) : undefined;
    const text = await bodyOf(request);
    if (why) {
      return response.writeHead(401, { "content-type": "application/json" }).end(goJson({ error: why }));
    }
    const stream = /^\/logs\/(?:pipeline|streams\/([^/]+))\/([^/]+)$/.exec(url.pathname);
    if (stream) return showLog(response, connection, state, stream[2] ?? "", stream[1]);
    const body = { type: request.headers["content-type"] ?? "", text };
    const { status, type, body: said } = await answer(request.method ?? "", url, body, {
      state,
      engine,
      newer,
    });
    response.writeHead(status, { "content-type": type }).end(said);
  };
  http.listen(options.ports?.api ?? 0, "127.0.0.1");
  await once(http, "listening");
  opened.defer(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
  const address = http.address();
  const api = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

  const call: ConveyorServer["call"] = async (method, path, body, credentials = {}) => {
    const response = await fetch(`${api}${path}`, {
      method,
      headers: { "content-type": "application/json", ...await authorization(credentials) },
      ...body !== undefined && { body: JSON.stringify(body) },
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json";
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  };
  const all = opened.move();
  return {
    api,
    nats: broker.url,
    call,
    async create(resource) {
      const { status, body } = await call("POST", "/resources", resource);
      if (status !== 201) throw new Error(`The server answered ${status} ${JSON.stringify(body)}`);
      return (body as { runid: string }).runid;
    },
    results,
    async result(matches) {
      const { promise, resolve } = Promise.withResolvers<SentResult>();
      const look = () => {
        const found = results.find(matches);
        if (found) resolve(found);
      };
      waiting.add(look);
      look();
      try {
        return await within(promise, () => `such a result, of ${JSON.stringify({ results, lost })}`);
      } finally {
        waiting.delete(look);
      }
    },
    resource: (type, name) => state.resource(type, name),
    logs: async (run) => (await call("GET", `/logs?runid=${run}`)).body as GoLog[],
    lost,
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

/** Streams with the server's defaults, created or updated at every start. */
async function makeStreams(connection: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(connection);
  for (const [name, subjects, retention] of STREAMS) {
    await manager.streams.add({ name, subjects: [...subjects], retention });
  }
}

/** An ephemeral consumer with a name. Each message is acked before it is handled. */
async function follow(
  client: JetStreamClient,
  stream: string,
  filter: string,
  take: (subject: string, data: string) => unknown,
): Promise<AsyncDisposable> {
  const manager = await client.jetstreamManager();
  await manager.consumers.add(stream, {
    name: stream,
    filter_subject: filter,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
  });
  const consumer = await client.consumers.get(stream, stream);
  const messages = await consumer.consume();
  const reading = (async () => {
    for await (const message of messages) {
      message.ack();
      await take(message.subject, message.string());
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      await messages.close();
      await reading;
    },
  };
}

/** Lines that wait for the reader of a live stream; further ones are dropped. */
const MOST_LIVE = 256;

/**
 * Sends stored lines, then live ones, for ever. Without stored lines even the head is sent only with the
 * first live line. Live lines are sent one by one; those that come faster are lost.
 */
function showLog(
  response: ServerResponse,
  connection: NatsConnection,
  state: ServerState,
  runid: string,
  driver: string | undefined,
): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const log of state.logs({ runid, driver: driver ?? null })) response.write(`data: ${goJson(log)}\n\n`);
  const live = connection.subscribe(`live.logs.${runid}.${driver ?? "*"}`, {
    callback: (_, message) => {
      if (waiting.length >= MOST_LIVE) return;
      if (waiting.push(message.string()) === 1) send();
    },
  });
  const waiting: string[] = [];
  const send = () => {
    response.write(`data: ${waiting[0]}\n\n`, () => {
      waiting.shift();
      if (waiting.length > 0) send();
    });
  };
  response.once("close", () => live.unsubscribe());
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
