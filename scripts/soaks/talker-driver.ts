import { defineDriver, main } from "../../lib/runtime.ts";
import { talk } from "./talkers.ts";

/** The program of the driver `talker` or `last`, as SOAK_DRIVER says. */
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
