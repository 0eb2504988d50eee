import type { ConsumerSpec, Transport } from "../backend/transport.ts";
import type { OutboxMessage } from "../wire/run.ts";
import { consumers } from "../wire/subjects.ts";
import { persist } from "../base/retry.ts";

/**
 * Publishes a step's event, after making sure that there is a consumer to keep it for. Doing it twice is harmless: the
 * transport knows the id. Throws what the transport threw.
 */
export async function publishEvent(
  transport: Transport,
  { id, subject, headers, data }: OutboxMessage,
  ackWaitMs: number,
): Promise<void> {
  const spec: ConsumerSpec = { stream: "messages", name: consumerOf(subject), filters: [subject], ackWaitMs };
  await persist(() => transport.ensureConsumer(spec));
  await persist(() => transport.publish(subject, data, { id, headers }));
}

/** Of `drivers.<driver>.resources.<type>` and `drivers.<driver>.hosts.<host>.resources.<type>`. */
function consumerOf(subject: string): string {
  const [, driver = "", kind, host = ""] = subject.split(".");
  return kind === "hosts" ? consumers.onHost(driver, host) : consumers.shared(driver);
}
