import { defineDriver, main } from "../../../lib/runtime.ts";

/** As the README shows one: nothing but what the driver does. */
export const notify = defineDriver({
  name: "notify",
  resources: ["thing"],
  usesDocker: false,
  async reconcile({ resource, results, log, secrets, signal }) {
    const { hook } = resource.spec as { hook: string };
    await log.line(`Telling the team that ${resource.name} is built`);
    const answer = await fetch(hook, {
      method: "POST",
      headers: { Authorization: `Bearer ${secrets.CHAT_TOKEN}` },
      body: JSON.stringify({ name: resource.name, from: process.pid, after: Object.keys(results) }),
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
