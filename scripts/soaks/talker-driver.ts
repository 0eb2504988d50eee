import { defineDriver, main } from "../../lib/runtime.ts";
import { talk } from "./talkers.ts";

/** The driver `talker` or `last`, as a program of its own: SOAK_DRIVER says which. */
const name = process.env.SOAK_DRIVER ?? "talker";
const driver = defineDriver({
  name,
  resources: ["thing"],
  usesDocker: false,
  async reconcile(context) {
    if (name === "talker") await talk(context);
    return { success: true, message: `${name} is done` };
  },
});

await main(driver);
