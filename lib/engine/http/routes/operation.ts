import { z } from "zod";
import { type Clock, systemClock } from "../../../base/clock.ts";
import type { Engine } from "../../shell/engine.ts";
import type { Router } from "../router.ts";

export interface OperationParts {
  readonly engine: Pick<Engine, "troubles">;
  readonly draining: AbortSignal;
  readonly clock?: Clock;
  /** Reasons why the control plane is not ready, besides the engine's troubles; one line each. */
  readonly reasons?: () => Promise<readonly string[]>;
  /** Returns the metrics in Prometheus' text format. */
  readonly metrics?: () => Promise<string>;
}

const Health = z.object({
  status: z.enum(["healthy", "draining", "failing"]),
  time: z.int().describe("Seconds since the epoch"),
  troubles: z.array(z.string()).optional(),
});

/** Routes for operating the control plane: health and readiness, without a token. */
export function operationRoutes(
  router: Router,
  { engine, draining, reasons, clock = systemClock }: OperationParts,
): void {
  const whyNotReady = async () => [
    ...engine.troubles.map((part) => `${part} fails`),
    ...await reasons?.() ?? [],
  ];

  router.add({
    method: "get",
    path: "/health",
    tag: "Operation",
    role: "open",
    summary: "Whether the control plane works",
    answers: {
      200: { what: "It does", schema: Health },
      503: { what: "A part of it fails", schema: Health },
    },
  }, ({ json }) => {
    const { troubles } = engine;
    const time = Math.floor(clock() / 1000);
    if (troubles.length > 0) return json({ status: "failing", time, troubles }, 503);
    return json({ status: draining.aborted ? "draining" : "healthy", time });
  });

  router.add({
    method: "get",
    path: "/healthz",
    tag: "Operation",
    role: "open",
    summary: "Whether the process lives",
    answers: { 200: { what: "It does", type: "text/plain" } },
  }, ({ text }) => text("ok\n"));

  router.add({
    method: "get",
    path: "/readyz",
    tag: "Operation",
    role: "open",
    summary: "Whether runs are accepted and worked on",
    answers: {
      200: { what: "They are", type: "text/plain" },
      503: { what: "Why not, a reason a line", type: "text/plain" },
    },
  }, async ({ text }) => {
    const why = [...draining.aborted ? ["The control plane is shutting down"] : [], ...await whyNotReady()];
    return why.length === 0 ? text("ready\n") : text(`${why.join("\n")}\n`, 503);
  });
}

/** The metrics need a token: labels name drivers, and values show the load. */
export function metricsRoute(router: Router, { metrics }: Required<Pick<OperationParts, "metrics">>): void {
  router.add(
    {
      method: "get",
      path: "/metrics",
      tag: "Operation",
      summary: "Figures for Prometheus",
      answers: { 200: { what: "Text format 0.0.4", type: "text/plain" } },
    },
    async ({ body }) =>
      body(await metrics(), 200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
}
