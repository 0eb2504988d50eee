import { networkInterfaces } from "node:os";
import {
  type BrokerReport,
  type ConsumerReport,
  exposureOf,
  inspectBroker,
  type Program,
  type StreamReport,
  type UnreadConsumer,
} from "../../backend/nats/inspect.ts";
import type { NatsOptions } from "../../backend/nats/connection.ts";
import { controlPlaneNeeds, type Denied, driverNeeds, isAllowed } from "../../backend/nats/permissions.ts";
import { systemClock } from "../../base/clock.ts";
import { shownUrl } from "../../base/shown-url.ts";
import { counted, formatSize } from "../../base/units.ts";
import { BUILD_PIPELINE } from "../../build/pipeline.ts";
import { natsOptions } from "../../driver/program/broker/open-broker.ts";
import { isLoopback } from "../../engine/http/hosts.ts";
import {
  ANSWER_MS,
  type Check,
  type CheckOptions,
  clockFindings,
  deadFinding,
  failed,
  type Finding,
} from "./finding.ts";

const WHAT = "broker";
/** Past this a stream will be full soon. */
const NEARLY_FULL = 0.9;
const TABLE =
  "docs/operations.md has a table of what each program needs, docs/nats-server.conf is one for all";
const LOOK_AGAIN = "Run doctor again when the broker is less busy";

/** Looks at the broker as the programs with this login do. */
export const brokerFindings: Check = async (options) => {
  const { nats } = options;
  if (!nats) return [];
  const programs = programsOf(options);
  try {
    const { name: _name, ...login } = natsOptions({ ...options, nats }, "conveyor-doctor");
    const report = await inspectBroker(login, programs, systemClock);
    const shown = nats.map(shownUrl).join(", ");
    return [
      { level: "ok", what: WHAT, message: `${shown} answers: nats-server ${report.version}` },
      ...permissionFindings(report.denied, options.as),
      ...jetStreamFindings(report),
      ...await exposureFindings(nats, login, programs),
    ];
  } catch (error) {
    return [failed(WHAT, error, "Check --nats and the login")];
  }
};

/** Returns what may log in: the program that the user names, or the control plane and its drivers. */
function programsOf({ as, hostId: host }: CheckOptions): Program[] {
  const names = as === undefined ? ["up", ...BUILD_PIPELINE.steps.map(({ driver }) => driver)] : [as];
  return names.map((name) => ({
    name,
    needs: name === "up"
      ? controlPlaneNeeds()
      // A driver whose artifacts are not known may need the permissions for them.
      : driverNeeds(name, { host, storesArtifacts: name === "builder" }),
  }));
}

/**
 * Without a named program one that may do all that it needs is enough: each has a login of its own.
 */
function permissionFindings(denied: ReadonlyMap<string, Denied>, as: string | undefined): Finding[] {
  const what = "permissions";
  const allowed = [...denied].filter(([, found]) => isAllowed(found)).map(([name]) => name);
  if (allowed.length > 0) {
    return [{ level: "ok", what, message: `This login may do what ${allowed.join(", ")} needs` }];
  }
  const [nearest] = [...denied].toSorted(([, a], [, b]) => countOf(a) - countOf(b));
  if (!nearest) return [];
  const [name, { publish, listen }] = nearest;
  const lacks = [
    ...publish.map((subject) => `publish on ${subject}`),
    ...listen.map((subject) => `listen on ${subject}`),
  ];
  return [{
    level: "fail",
    what,
    message: `This login may not do all that ${name} needs: it may not ${lacks.join(", ")}`,
    remedy: as === undefined ? `Name the program that logs in with --as. ${TABLE}` : TABLE,
  }];
}

const countOf = ({ publish, listen }: Denied): number => publish.length + listen.length;

/** Tells what a broker has stored, and what waits there. */
export function jetStreamFindings({ noJetStream, ...report }: BrokerReport): Finding[] {
  const what = "JetStream";
  if (noJetStream !== undefined) {
    const remedy =
      "Start the nats-server with JetStream (-js), allow it to the account, and let it publish on $JS.API.INFO";
    return [{ level: "fail", what, message: `It cannot be used: ${noJetStream}`, remedy }];
  }
  const { storage, owner, streams, consumers, unread, apartMs } = report;
  const used = storage && `${formatSize(storage.used)} used`;
  const limit = storage?.limit === undefined ? "" : ` of ${formatSize(storage.limit)}`;
  const findings: Finding[] = [{ level: "ok", what, message: `It works${used ? `, ${used}${limit}` : ""}` }];
  findings.push(
    ...streamFindings(streams, owner),
    ...consumers.flatMap(consumerFindings),
    ...unread.map(unreadFinding),
  );
  const dead = streams.find(({ name }) => name === "dead")?.messages ?? 0;
  if (dead > 0) findings.push(deadFinding("dead letters", dead, 'the stream "dead"'));
  return [...findings, ...apartMs === undefined ? [] : clockFindings("The broker's machine", apartMs)];
}

function streamFindings(streams: readonly StreamReport[], owner: string | undefined): Finding[] {
  const what = "streams";
  const [messages] = streams;
  if (messages?.state !== "there") {
    if (messages?.state === "missing") {
      const message = 'There is no stream "messages": no control plane has worked here';
      return [{
        level: "fail",
        what,
        message,
        remedy: 'Start one: "flutter-ci up --nats …", or a Conveyor server',
      }];
    }
    const message = `The stream "messages" cannot be looked at: ${messages?.why}`;
    return [{ level: "fail", what, message, remedy: messages?.state === "hidden" ? TABLE : LOOK_AGAIN }];
  }
  const whose = owner === undefined ? "a Conveyor server" : `the control plane of the installation ${owner}`;
  const there = streams.filter(({ state }) => state === "there");
  const sizes = there.map(({ name, messages, bytes }) => `${name} ${messages} (${formatSize(bytes)})`);
  const findings: Finding[] = [{ level: "ok", what, message: `They are of ${whose}: ${sizes.join(", ")}` }];
  for (const { name, bytes, maxBytes } of there) {
    // The oldest copies of dead letters go by themselves.
    if (maxBytes === undefined || bytes < NEARLY_FULL * maxBytes || name === "dead") continue;
    findings.push({
      level: "warn",
      what,
      message: `${name} is nearly full: ${formatSize(bytes)} of ${formatSize(maxBytes)}`,
      remedy: "Give JetStream more storage, or keep less: --keep-logs and --keep-runs of up",
    });
  }
  // A stream that only another login may look at is not this one's business.
  for (const { name, why } of streams.filter(({ state }) => state === "unread")) {
    const message = `The stream "${name}" cannot be looked at: ${why}`;
    findings.push({ level: "warn", what, message, remedy: LOOK_AGAIN });
  }
  return findings;
}

/** A consumer with work for which nobody asks. */
function consumerFindings({ stream, name, pending, inHand, asking }: ConsumerReport): Finding[] {
  const what = "consumers";
  const message = `${name}: ${counted(pending, "message waits", "messages wait")}, ${inHand} in hand`;
  if (pending === 0 || asking > 0 || inHand > 0) return [{ level: "ok", what, message }];
  const who = stream === "pipeline-engine" ? "control plane" : `instance of ${name.split("_at_")[0]}`;
  const on = name.includes("_at_") ? ` on the host ${name.split("_at_")[1]}` : "";
  return [{
    level: "warn",
    what,
    message: `${message}, and no ${who}${on} asks for them`,
    remedy: stream === "pipeline-engine"
      ? 'Start it: "flutter-ci up --nats …"'
      : "Start one, or see why it is full",
  }];
}

const unreadFinding = ({ stream, name, why }: UnreadConsumer): Finding => ({
  level: "warn",
  what: "consumers",
  message: `${name} of the stream "${stream}" cannot be looked at: ${why}`,
  remedy: `${LOOK_AGAIN}, or allow it to the login. ${TABLE}`,
});

/**
 * Returns whether a build's container can use the broker without a password: it reaches every address of this
 * machine but loopback, and other machines as this one does.
 */
async function exposureFindings(
  nats: readonly string[],
  { tls, tlsFirst }: Pick<NatsOptions, "tls" | "tlsFirst">,
  programs: readonly Program[],
): Promise<Finding[]> {
  const what = "exposure";
  const candidates = nats.flatMap((server) => {
    const url = URL.parse(/^[a-z]+:\/\//i.test(server) ? server : `nats://${server}`);
    if (!url) return [];
    const port = url.port || "4222";
    const hosts = isLoopback(url.hostname) ? ownAddresses() : [url.hostname];
    return hosts.map((host) => `nats://${host}:${port}`);
  });
  // A build has the broker's authority easily, so it counts as open what it would find with it; it has no
  // certificate of ours.
  const encryption = {
    ...tls?.ca !== undefined && { tls: { ca: tls.ca } },
    ...tlsFirst && { tlsFirst },
  };
  const open: string[] = [];
  const untried: Finding[] = [];
  for (const server of new Set(candidates)) {
    const found = await exposureOf(server, { ...encryption, timeoutMs: ANSWER_MS / 5 }, programs);
    if (found === "open") open.push(server);
    if (typeof found === "object") {
      const message =
        `Whether a build's container can use the broker without a password could not be tried: ${found.untried}`;
      untried.push({ level: "warn", what, message, remedy: `Try it from a container. ${TABLE}` });
    }
  }
  if (open.length === 0 && untried.length > 0) return untried;
  if (open.length === 0) {
    return [{ level: "ok", what, message: "A build's container finds no way in without a password" }];
  }
  return [...untried, {
    level: "warn",
    what,
    message: `A build's container can use the broker without a password, at ${open.join(", ")}`,
    remedy: `Give the nats-server accounts, or let it listen on 127.0.0.1 only. ${TABLE}`,
  }];
}

/** IPv4 addresses of this machine that a container can reach. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
}
