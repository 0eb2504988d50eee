import type { Delivery, Message } from "../backend/transport.ts";
import { decodeEvent } from "./understand/decode.ts";
import type { Driver } from "./driver.ts";
import { handle, type HandleServices } from "./handle.ts";

/**
 * Settles a queued event if its driver would refuse it in any case; returns false if it would not. The event
 * is marked as settled, and so is dropped when it is delivered.
 */
export async function refuseEarly(
  message: Message,
  services: HandleServices,
  signal: AbortSignal,
): Promise<boolean> {
  const { driver, resources, docker, settings, policy } = services;
  if (!driver.refusal || !driver.exclusive) return false;
  const asked = decodeEvent(message.data, resources);
  if (!("resource" in asked)) return false;
  const { resource, event } = asked;
  const limited = driver.settingsFor?.(resource, settings) ?? settings;
  const failure = await driver.refusal({ resource, event, docker, settings: limited, policy, signal });
  if (!failure) return false;
  const refusing: Driver = Object.create(driver, {
    reconcile: { value: () => Promise.reject(failure) },
  });
  await handle(notDelivered(message, services.ackWaitMs), { ...services, driver: refusing });
  return true;
}

/** The message as a first delivery. Acks do nothing: the real delivery is settled when it arrives. */
function notDelivered({ subject, data, id, headers = {} }: Message, ackWaitMs: number): Delivery {
  const nothing = () => Promise.resolve();
  return {
    ...{ subject, data, id, headers, ackWaitMs },
    deliveries: 1,
    ack: nothing,
    nak: nothing,
    term: nothing,
    working: nothing,
  };
}
