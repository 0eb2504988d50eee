import { defineDriver, main, z } from "conveyor-drivers";

export const notify = defineDriver({
  name: "notify",
  version: "1.0.0",
  resources: ["flutter-builder"],
  usesDocker: false,
  spec: z.object({ hook: z.url() }),
  async reconcile({ spec, resource, results, log, secrets, signal }) {
    const failed = Object.keys(results).filter((driver) => !results[driver]?.success);
    const text = `${resource.name} ${failed.length === 0 ? "is built" : `failed in ${failed.join(", ")}`}`;
    await log.line(`Telling the team: ${text}`);
    const { ok, status } = await fetch(spec.hook, {
      method: "POST",
      headers: { Authorization: `Bearer ${secrets.CHAT_TOKEN}` },
      body: JSON.stringify({ text }),
      signal,
    });
    return { success: ok, message: `The chat answered ${status}`, data: { status } };
  },
});

if (import.meta.main) await main(notify);
