import { messageOf } from "../../base/errors.ts";
import { processLog } from "../../base/log.ts";
import type { Environment } from "../../driver/program/command-line/environment.ts";
import { version } from "../../driver/program/command-line/version.ts";
import type { EngineOptions } from "../../engine/shell/engine.ts";
import { readTraceSettings } from "../../engine/shell/traces/settings.ts";

/** What an engine that sends traces is given. */
export type EngineTracing = Required<Pick<EngineOptions, "changed" | "traceparent">>;

/**
 * Starts sending traces if the environment asks for them; only then are OpenTelemetry's packages loaded.
 * Dispose sends the rest, within a second.
 */
export async function openTracing(
  environment: Environment,
): Promise<AsyncDisposable & { readonly engine: Partial<EngineTracing> }> {
  const off = { engine: {}, [Symbol.asyncDispose]: async () => {} };
  const settings = readTraceSettings(environment, { version: version() });
  if (!settings) return off;
  try {
    const { startTracer } = await import("../../engine/shell/traces/tracer.ts");
    const { changed, traceparent, [Symbol.asyncDispose]: dispose } = await startTracer(settings);
    return { engine: { changed, traceparent }, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    // Such as a certificate that cannot be read: a run needs no trace.
    processLog("traces").warn("No traces are sent: {error}", { error: messageOf(error) });
    return off;
  }
}
