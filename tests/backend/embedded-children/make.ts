import { createInterface } from "node:readline";
import { openEmbedded } from "../../../lib/backend/embedded/embedded.ts";

/** `make SCOPE`: opens every folder that it is told, prints its owner and key, and closes it. */
const [scope = ""] = process.argv.slice(2);
console.log("ready");
for await (const folder of createInterface({ input: process.stdin })) {
  await using embedded = await openEmbedded({ folder, scope });
  console.log(`${embedded.owner} ${Buffer.from(embedded.sealKey).toString("hex")}`);
}
