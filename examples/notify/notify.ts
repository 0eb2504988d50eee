import { defineDriver, main, z } from "conveyor-drivers";

export const notify = defineDriver({
  name: "notify",
  version: "1.0.0",
  resources: ["flutter-builder"],
  usesDocker: false,
  spec: z.object({ hook: z.url() }),
  async reconcile({ spec, resource, results, log, secrets, signal }) {
    const failed = Object.entries(results).filter(([, result]) => !result.success);
    const text = failed.length === 0
      ? "is built"
      : `failed in ${failed.map(([driver]) => driver).join(", ")}`;
    await log.line(`Telling the team that ${resource.name} ${text}`);
    const answer = await fetch(spec.hook, {
      method: "POST",
      headers: { Authorization: `Bearer ${secrets.CHAT_TOKEN}` },
      body: JSON.stringify({ text: `${resource.name} ${text}` }),
      signal,
    });
    return {
      success: answer.ok,
      message: `The chat answered ${answer.status}`,
      data: { status: answer.status },
    };
  },
});

if (import.meta.main) await main(notify);
