import { again, defineDriver, main } from "../../../lib/runtime.ts";

/** Counts its calls; goes on counting where an attempt that was lost has stopped. */
export const poll = defineDriver({
  name: "poll",
  resources: ["thing"],
  usesDocker: false,
  reconcile({ progress, attempt }) {
    const calls = (typeof progress === "number" ? progress : 0) + 1;
    if (attempt > 1) return { success: true, message: `call ${calls} of attempt ${attempt}` };
    return again(calls < 3 ? "1ms" : "1h", `call ${calls}`, calls);
  },
});

if (import.meta.main) await main(poll);
