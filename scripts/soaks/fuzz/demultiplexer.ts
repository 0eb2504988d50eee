import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Retryable } from "../../../lib/base/errors.ts";
import { demultiplex } from "../../../lib/docker/demultiplex.ts";
import { asStream, chooseFrom, chooser, damaged, someBytes } from "../../../tests/support/chooser.ts";

/**
 * Cuts frames anywhere: they must be put together as they were sent. Damaged ones must be refused, and never
 * yield more bytes than came.
 */
export async function fuzzDemultiplexer(seed: number): Promise<void> {
  const choose = chooser(seed);
  const sent = Array.from({ length: choose(12) }, () => ({
    stream: chooseFrom(choose, ["stdout", "stderr"] as const),
    data: someBytes(choose, chooseFrom(choose, [10, 10, 300, 20_000])),
  }));
  const bytes = Buffer.concat(sent.flatMap(({ stream, data }) => {
    const header = Buffer.alloc(8);
    header[0] = stream === "stdout" ? 1 : 2;
    header.writeUInt32BE(data.length, 4);
    return [header, data];
  }));
  const isDamaged = choose(2) === 1;
  const came = isDamaged ? damaged(bytes, choose) : bytes;
  const streams: Record<string, Buffer[]> = { stdout: [], stderr: [] };
  try {
    const pieces = asStream(came, choose, chooseFrom(choose, [9, 300, 5000]));
    for await (const { stream, data } of demultiplex(pieces)) streams[stream]?.push(Buffer.from(data));
  } catch (error) {
    if (!isDamaged || !(error instanceof Retryable)) throw error;
  }
  const taken = (name: string) => Buffer.concat(streams[name] ?? []);
  assert.ok(taken("stdout").length + taken("stderr").length <= came.length);
  if (isDamaged) return;
  for (const name of ["stdout", "stderr"]) {
    const wanted = Buffer.concat(sent.filter(({ stream }) => stream === name).map(({ data }) => data));
    assert.deepEqual(taken(name), wanted, name);
  }
}
