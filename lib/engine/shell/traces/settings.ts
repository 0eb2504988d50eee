import { processLog } from "../../../base/log.ts";
import { shownUrl } from "../../../base/shown-url.ts";
import type { Run } from "../../../wire/run.ts";
import type { RunChange } from "../../core/changes.ts";

/** Sends the traces of runs to an OpenTelemetry collector. Dispose sends the rest, within a second. */
export interface Tracing extends AsyncDisposable {
  /** Call with each change of a run. Never waits. */
  changed(change: RunChange, run: Run): void;
  /** Returns the `TRACEPARENT` of what a step starts. */
  traceparent(run: Run, step: string): string;
}

export interface TraceSettings {
  readonly protocol: "http/protobuf" | "http/json";
  /** For messages only. */
  readonly endpoint: string;
  /** Name and version of this program, unless the environment has other ones. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Part of the runs that have a trace, 0 to 1. */
  readonly sampling: number;
}

const PREFIX = "OTEL_EXPORTER_OTLP";

/**
 * Reads OpenTelemetry's standard variables; undefined if they ask for no traces. What cannot be used is
 * logged and means no traces: it must not keep a run from its work.
 */
export function readTraceSettings(
  environment: Readonly<Record<string, string | undefined>>,
  { version }: { version: string },
): TraceSettings | undefined {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const url = read(`${PREFIX}_TRACES_ENDPOINT`) ?? read(`${PREFIX}_ENDPOINT`);
  const exporters = read("OTEL_TRACES_EXPORTER")?.split(",").map((name) => name.trim());
  if (read("OTEL_SDK_DISABLED")?.toLowerCase() === "true" || exporters?.includes("none")) return undefined;
  if (url === undefined && !exporters?.includes("otlp")) return undefined;
  const refuse = (name: string, value: string, expected: string): undefined => {
    processLog("traces").warn(`${name} is "{value}": expected ${expected}; no traces are sent`, { value });
  };
  if (exporters && !exporters.includes("otlp")) {
    return refuse("OTEL_TRACES_EXPORTER", exporters.join(","), "otlp or none");
  }
  const ofTraces = read(`${PREFIX}_TRACES_PROTOCOL`);
  const protocol = ofTraces ?? read(`${PREFIX}_PROTOCOL`) ?? "http/protobuf";
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    const name = ofTraces === undefined ? "PROTOCOL" : "TRACES_PROTOCOL";
    return refuse(`${PREFIX}_${name}`, protocol, "http/protobuf or http/json");
  }
  const endpoint = url ?? "http://localhost:4318";
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
    const name = read(`${PREFIX}_TRACES_ENDPOINT`) === undefined ? "ENDPOINT" : "TRACES_ENDPOINT";
    return refuse(`${PREFIX}_${name}`, shownUrl(endpoint), "an http:// or https:// URL");
  }
  const sampling = samplingOf(read("OTEL_TRACES_SAMPLER"), read("OTEL_TRACES_SAMPLER_ARG"));
  if (typeof sampling === "string") return refuse("OTEL_TRACES_SAMPLER", sampling, SAMPLERS);
  return {
    protocol,
    endpoint: shownUrl(endpoint),
    serviceName: "flutter-ci",
    serviceVersion: version,
    sampling,
  };
}

const SAMPLERS =
  "always_on, always_off, or traceidratio with a number from 0 to 1 in OTEL_TRACES_SAMPLER_ARG";

/** Returns the part of the runs that is sampled, or the words that ask for nothing known. */
function samplingOf(name = "always_on", argument = "1"): number | string {
  switch (name.replace(/^parentbased_/, "")) {
    case "always_on":
      return 1;
    case "always_off":
      return 0;
    case "traceidratio": {
      const part = Number(argument);
      return part >= 0 && part <= 1 ? part : `${name}" with "${argument}`;
    }
    default:
      return name;
  }
}
