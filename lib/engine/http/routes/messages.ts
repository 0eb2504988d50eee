import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { Store } from "../../../backend/store.ts";
import type { Engine } from "../../shell/engine.ts";
import { withJson } from "../json-body.ts";
import { Problem } from "../problem.ts";
import type { Router } from "../router.ts";
import { knownRun } from "./parts.ts";

/** Longest line that a caller may post, characters: as long as those of drivers. */
const MAX_LINE = 64 * 1024;
/** Most lines that a caller may post at once: each is stored as an object of its own. */
const MAX_LINES = 10_000;

/** The lines of a text, whose last one may or may not be ended. */
const linesOf = (text: string): string[] => text.replace(/\r?\n$/, "").split(/\r?\n/);

const LogBody = z.object({
  runid: z.string(),
  driver: z.string(),
  pipeline: z.string().nullish().describe("Ignored: it is that of the run"),
  timestamp: z.string().nullish().describe("Ignored: it is the time at which the line comes"),
  message: z.string().max(MAX_LINE, `expected ${MAX_LINE} characters at most`)
    .refine((text) => linesOf(text).length <= MAX_LINES, `expected ${MAX_LINES} lines at most`)
    .describe(`One line, or up to ${MAX_LINES}`),
});

const BroadcastBody = z.object({
  event: z.string().default(""),
  payload: z.string().default(""),
  id: z.string().nullish().describe("Ignored: the message gets one"),
  run_id: z.string().default(""),
});

const BROADCAST = "application";

/** Routes on which Conveyor's clients send log lines and messages. */
export function messageRoutes(
  router: Router,
  { engine, store, broadcast }: {
    engine: Pick<Engine, "addLines">;
    store: Pick<Store, "runs">;
    broadcast: (subject: string, data: string) => Promise<void>;
  },
): void {
  router.add({
    method: "get",
    path: "/",
    tag: "Operation",
    summary: "Say what this is",
    answers: { 200: { what: "A line of text", type: "text/plain" } },
  }, ({ text }) => text("Conveyor drivers: a control plane. Its routes are described at /openapi.json\n"));

  router.add({
    method: "post",
    path: "/logs",
    tag: "Conveyor",
    summary: "Add to the log of a run in the name of one of its drivers",
    body: LogBody,
    answers: { 201: { what: "It is stored", type: "text/plain" } },
  }, (context) =>
    withJson(context, LogBody, async ({ value: { runid, driver, message } }) => {
      const run = await knownRun(store, runid);
      if (run.outcome !== undefined) throw new Problem(409, `Run "${run.id}" has ended`);
      await engine.addLines(run, { driver, messages: linesOf(message) });
      return context.text("Created", 201);
    }));

  router.add({
    method: "post",
    path: "/drivers/broadcast-message",
    tag: "Conveyor",
    role: "admin",
    summary: `Send a message to whoever listens on the subject ${BROADCAST}`,
    body: BroadcastBody,
    answers: { 200: { what: "It is sent", schema: z.object({ message: z.string() }) } },
  }, (context) =>
    withJson(context, BroadcastBody, async ({ value: { event, payload, run_id } }) => {
      const id = randomBytes(12).toString("hex");
      await broadcast(BROADCAST, JSON.stringify({ event, payload, id, run_id }));
      return context.json({ message: "message published" });
    }));
}
