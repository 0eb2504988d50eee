import { test } from "node:test";
import { jetstream } from "@nats-io/jetstream";
import { Objm } from "@nats-io/obj";
import { objectName } from "../../lib/backend/nats/blobs.ts";
import { lacking } from "../support/needs.ts";
import { broker } from "./nats-broker.ts";
import { type Open, transportConformance } from "./transport-conformance.ts";

/**
 * A server for each test: one that deletes a consumer and makes another of the same name may give it the old
 * one's state.
 */
const open: Open = async () => {
  const nats = await broker();
  return {
    transport: await nats.open(),
    another: () => nats.open(),
    readBlob: async (run, name) => {
      const bucket = await new Objm(jetstream(nats.connection)).open("artifacts");
      return await bucket.getBlob(objectName(run, name)) ?? undefined;
    },
    [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose](),
  };
};

const skip = lacking("broker");
if (skip) {
  test("a transport on a broker keeps to the contract", { skip }, () => {});
} else {
  transportConformance("nats", open);
  transportConformance("nats, hostile", open, { hostile: 1 });
}
