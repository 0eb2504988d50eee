import { headers, type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import { consumers, subjects } from "../../wire/subjects.ts";
import { abortable, withDeadline } from "../../base/signals.ts";
import { inOurWords } from "./calls.ts";
import { DEAD_STREAM } from "./dead.ts";
import { CALL_TIMEOUT_MS } from "./link.ts";

/** The permissions that a program needs at the broker, as subjects. Unused names stand in place of `*`. */
export interface Needs {
  readonly publish: readonly string[];
  readonly listen: readonly string[];
}

/** A run, type or message that nobody has, so that what is published in its name has no effect. */
const NOBODY = "doctor";

/** What the control plane needs, as the table of docs/operations.md says. */
export function controlPlaneNeeds(): Needs {
  return {
    publish: [
      subjects.step(NOBODY, NOBODY),
      subjects.logs(NOBODY),
      subjects.nudge(NOBODY),
      subjects.room(NOBODY),
      `${DEAD_STREAM}.${NOBODY}`,
      "conveyor-room",
      `_INBOX.${NOBODY}`,
      ...["INFO", "STREAM.INFO.messages", `STREAM.CREATE.${NOBODY}`, "STREAM.UPDATE.messages"].map(api),
      ...[`CONSUMER.DURABLE.CREATE.messages.${NOBODY}`, "STREAM.PURGE.logs-engine"].map(api),
      "$JS.ACK.pipeline-engine.pipeline-engine.1.0.0.0.0",
      `$O.artifacts.M.${NOBODY}`,
    ],
    listen: [subjects.claims, subjects.alives, `_INBOX.conveyor-up.${NOBODY}`],
  };
}

/** What a driver needs; `storesArtifacts` if it has some to store. */
export function driverNeeds(
  driver: string,
  { host, storesArtifacts }: { host: string | undefined; storesArtifacts: boolean },
): Needs {
  const names = [
    consumers.shared(driver),
    ...host === undefined ? [] : [consumers.onHost(driver, host)],
  ];
  return {
    publish: [
      subjects.claim(NOBODY, driver),
      subjects.alive(NOBODY),
      subjects.result,
      subjects.logs(NOBODY),
      subjects.stepOnHost(driver, NOBODY, NOBODY),
      `${DEAD_STREAM}.messages.${NOBODY}`,
      ...["INFO", "STREAM.INFO.messages", `STREAM.INFO.${DEAD_STREAM}`].map(api),
      ...names.flatMap((name) => [
        consumerInfo("messages", name),
        api(`CONSUMER.MSG.NEXT.messages.${name}`),
        api(`CONSUMER.DURABLE.CREATE.messages.${name}`),
        `$JS.ACK.messages.${name}.1.0.0.0.0`,
      ]),
      ...storesArtifacts
        ? [
          `$O.artifacts.C.${NOBODY}`,
          `$O.artifacts.M.${NOBODY}`,
          ...["INFO", "MSG.GET", "PURGE"].map((call) => api(`STREAM.${call}.OBJ_artifacts`)),
          api(`DIRECT.GET.OBJ_artifacts.${NOBODY}`),
        ]
        : [],
    ],
    listen: [subjects.nudge("*"), subjects.room(driver), `_INBOX.conveyor-${driver}.${NOBODY}`],
  };
}

/** The subject of a question about a consumer. */
export const consumerInfo = (stream: string, name: string): string => api(`CONSUMER.INFO.${stream}.${name}`);

const api = (call: string): string => `$JS.API.${call}`;

/** The subjects that the login may not use. */
export interface Denied {
  readonly publish: readonly string[];
  readonly listen: readonly string[];
}

export const isAllowed = ({ publish, listen }: Denied): boolean => publish.length + listen.length === 0;

/**
 * Returns which of these the connection's login may not use, by trying: the server checks permissions before
 * anything else. That has no other effect: a stream refuses a message that expects another stream, and
 * JetStream refuses a request that cannot be read. Throws Retryable.
 */
export async function deniedOf(connection: NatsConnection, { publish, listen }: Needs): Promise<Denied> {
  const denied = { publish: new Set<string>(), listen: new Set<string>() };
  using open = new DisposableStack();
  open.use(watch(connection, ({ operation, subject }) => {
    denied[operation === "publish" ? "publish" : "listen"].add(subject);
  }));
  const listening = open.use(new DisposableStack());
  for (const subject of listen) {
    listening.adopt(connection.subscribe(subject, { callback: () => {} }), (one) => one.unsubscribe());
  }
  for (const subject of publish) {
    connection.publish(subject, UNREADABLE, { headers: refusedHeaders() });
  }
  const flush = async () => {
    try {
      await withDeadline(CALL_TIMEOUT_MS, (signal) => abortable(connection.flush(), signal));
    } catch (cause) {
      throw inOurWords("learn what the login may do", cause);
    }
  };
  await flush();
  listening.dispose();
  // Refusals come before the answer to a flush, and are read by the time of the next one.
  await flush();
  return {
    publish: publish.filter((subject) => denied.publish.has(subject)),
    listen: listen.filter((subject) => denied.listen.has(subject)),
  };
}

/**
 * The body of all requests. No version of the server can read it as a request, so each refuses it before it
 * looks at a stream. Other JSON is not safe: some versions take a text for an empty request, which purges a
 * whole stream.
 */
const UNREADABLE = JSON.stringify([NOBODY]);

function refusedHeaders() {
  const made = headers();
  made.set("Nats-Expected-Stream", NOBODY);
  return made;
}

function watch(
  connection: NatsConnection,
  onDenied: (error: PermissionViolationError) => void,
): Disposable {
  const statuses = connection.status();
  const watching = (async () => {
    for await (const status of statuses) {
      if (status.type === "error" && status.error instanceof PermissionViolationError) onDenied(status.error);
    }
  })();
  // Ends with the connection at the latest.
  watching.catch(() => {});
  return {
    [Symbol.dispose]() {
      if ("stop" in statuses && typeof statuses.stop === "function") statuses.stop();
    },
  };
}
