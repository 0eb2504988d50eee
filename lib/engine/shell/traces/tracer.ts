import { context, type SpanContext, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  type Sampler,
  SamplingDecision,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { isWithin } from "../../../base/signals.ts";
import type { Run } from "../../../wire/run.ts";
import type { RunChange } from "../../core/changes.ts";
import { type RunSpan, spanOf } from "../../core/run-span.ts";
import { traceIds, traceparentOf } from "../../core/trace-ids.ts";
import { countSpan, newHealth, patience, watched } from "./watched-exporter.ts";
import type { TraceSettings, Tracing } from "./settings.ts";

/** Spans that wait for the collector; more are dropped. */
const MAX_WAITING = 2048;
/** Often, so that the end of a short run knows whether the collector answers. */
const SEND_EVERY_MS = 200;

/** Starts sending traces. Its functions neither throw nor wait for the collector. */
export async function startTracer(settings: TraceSettings): Promise<Tracing> {
  const health = newHealth();
  const ids = { trace: "", span: "" };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": settings.serviceName,
      "service.version": settings.serviceVersion,
    }).merge(detectResources({ detectors: [envDetector] })),
    idGenerator: { generateTraceId: () => ids.trace, generateSpanId: () => ids.span },
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: watched(await exporterOf(settings), { health, endpoint: settings.endpoint }),
        maxQueueSize: MAX_WAITING,
        scheduledDelayMillis: SEND_EVERY_MS,
      }),
    ],
  });
  const sampler = samplerOf(settings);
  const isSampled = (run: string): boolean => {
    const { decision } = sampler.shouldSample(
      context.active(),
      traceIds.trace(run),
      "",
      SpanKind.SERVER,
      {},
      [],
    );
    return decision === SamplingDecision.RECORD_AND_SAMPLED;
  };
  const tracer = provider.getTracer("conveyor");
  return {
    changed(change: RunChange, run: Run): void {
      const span = spanOf(change, run);
      if (!span || !isSampled(run.id)) return;
      ids.trace = span.trace;
      ids.span = span.id;
      countSpan(health, { most: MAX_WAITING, endpoint: settings.endpoint });
      record(tracer, span);
    },
    traceparent: (run, step) => traceparentOf(run, step, { isSampled: isSampled(run.id) }),
    async [Symbol.asyncDispose]() {
      const waitMs = patience(health);
      await isWithin(provider.shutdown().catch(() => {}), waitMs);
    },
  };
}

function record(tracer: ReturnType<TracerProvider["getTracer"]>, given: RunSpan): void {
  const { trace: traceId, parent, name, start, end, attributes, failure, linked } = given;
  const spanContext = (ids: { trace: string; id: string }): SpanContext => ({
    traceId: ids.trace,
    spanId: ids.id,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
  const span = tracer.startSpan(
    name,
    {
      kind: parent === undefined ? SpanKind.SERVER : SpanKind.INTERNAL,
      // A number could be taken for one of the process's own clock.
      startTime: new Date(start),
      attributes,
      links: linked ? [{ context: spanContext(linked) }] : [],
      root: parent === undefined,
    },
    parent === undefined
      ? context.active()
      : trace.setSpanContext(context.active(), spanContext({ trace: traceId, id: parent })),
  );
  if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
  span.end(new Date(Math.max(start, end)));
}

/**
 * The exporters read the remaining standard variables themselves: endpoint, headers, certificates, time
 * limit.
 */
async function exporterOf({ protocol }: TraceSettings): Promise<SpanExporter> {
  const { OTLPTraceExporter } = protocol === "http/json"
    ? await import("@opentelemetry/exporter-trace-otlp-http")
    : await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter();
}

/** A run's trace has no parent, so that `parentbased_` makes no difference. */
function samplerOf({ sampling }: TraceSettings): Sampler {
  if (sampling === 1) return new AlwaysOnSampler();
  return sampling === 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(sampling);
}
