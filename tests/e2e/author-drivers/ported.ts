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
    // As container-start says where the run's container is: what comes after it may be done elsewhere all the
    // same.
    return { success: true, message: "ported", data: { host: "another-host", run: runId } };
  },
};

await new DriverManager(driver, ["*"]).run();
