import { openEmbedded } from "../../../lib/backend/embedded/embedded.ts";

/** `look FOLDER SCOPE`: from a scope of its own, looks without end whether the other one is alive. */
const [folder = "", scope = ""] = process.argv.slice(2);
const embedded = await openEmbedded({ folder, scope: "looker" });
console.log("looking");
for (;;) {
  for (let i = 0; i < 1000; i++) embedded.isAlive(scope);
  await new Promise((resolve) => setImmediate(resolve));
}
