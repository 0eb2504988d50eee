import { defineDriver, main, z } from "conveyor-drivers";

const money = z.number().min(0).multipleOf(0.01);

/** Writes an invoice. It is a resource type of its own, without builds or Docker. */
export const invoice = defineDriver({
  name: "invoice",
  version: "1.0.0",
  resources: ["invoice"],
  ownsResources: true,
  usesDocker: false,
  spec: z.strictObject({
    customer: z.string().min(1),
    currency: z.string().regex(/^[A-Z]{3}$/, "expected a currency's three letters, like EUR").default("EUR"),
    lines: z.array(z.strictObject({ text: z.string(), quantity: z.int().min(1).default(1), price: money }))
      .min(1),
  }),
  async reconcile({ spec, event, resource, log, putArtifact }) {
    if (event === "delete") return { success: true, message: "An invoice stays", data: { skipped: true } };
    const total = spec.lines.reduce((sum, { quantity, price }) => sum + quantity * price, 0);
    const text = [
      `Invoice ${resource.name} for ${spec.customer}`,
      ...spec.lines.map(({ text, quantity, price }) =>
        `${quantity} x ${text}: ${(quantity * price).toFixed(2)}`
      ),
      `Total: ${total.toFixed(2)} ${spec.currency}`,
    ];
    await log.line(text.join("\n"));
    await putArtifact(`${resource.name}.txt`, bytes(`${text.join("\n")}\n`));
    return { success: true, message: `${total.toFixed(2)} ${spec.currency}`, data: { total } };
  },
});

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

if (import.meta.main) await main(invoice);
