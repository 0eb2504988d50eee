import { type DriverLogger, DriverManager, type ManagedResult } from "conveyor-drivers";

interface Greeting {
  name: string;
  spec: {
    language: string;
  };
}

async function reconcile(
  payload: string,
  event: string,
  runId: string,
  logger: DriverLogger,
): Promise<ManagedResult> {
  let greeting: Greeting;
  try {
    greeting = JSON.parse(payload);
  } catch (err) {
    return { success: false, message: `cannot read the payload: ${err}` };
  }
  await logger.log(`Greeting ${greeting.name} in run ${runId}`, { event });
  const words: Record<string, string> = { en: "Hello", lg: "Gyebaleko", fr: "Bonjour" };
  const word = words[greeting.spec.language];
  if (!word) {
    return { success: false, message: `unknown language ${greeting.spec.language}` };
  }
  return { success: true, message: `${word}, ${greeting.name}`, data: { word } };
}

const driver = {
  name: "greeter",
  resources: ["greeting"],
  reconcile,
};
export const manager = new DriverManager(driver, ["create", "update"]);

if (import.meta.main) await manager.run();
