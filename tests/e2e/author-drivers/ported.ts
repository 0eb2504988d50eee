import { DriverManager } from "../../../lib/runtime.ts";

const driver = {
  name: "ported",
  resources: ["thing"],
  async reconcile(
    payload: string,
    event: string,
    runId: string,
    logger: { log(message: string): Promise<void> },
  ) {
    await logger.log(`${event} of ${JSON.parse(payload).name} in ${runId}`);
    return { success: true, message: "ported" };
  },
};

await new DriverManager(driver, ["*"]).run();
