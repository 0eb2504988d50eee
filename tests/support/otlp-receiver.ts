import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { until } from "./until.ts";

/** A span as a collector reads it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Record<string, string | number>;
  /** 2 means an error. */
  readonly status: { code: number; message: string };
  readonly links: { traceId: string; spanId: string }[];
  /** Attributes of the process that sent it. */
  readonly resource: Record<string, string | number>;
}

/** An OpenTelemetry collector's HTTP side: reads what is sent, as protobuf or JSON. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly spans: ReceivedSpan[];
  readonly requests: { path: string; headers: IncomingHttpHeaders; body: Uint8Array }[];
  /** Resolves once this many spans have come. */
  received(count: number): Promise<ReceivedSpan[]>;
}

/** `answer` replaces the status 200; `never` means no answer. */
export async function otlpReceiver(answer: number | "never" = 200): Promise<Receiver> {
  const spans: ReceivedSpan[] = [];
  const requests: Receiver["requests"] = [];
  const server = createServer(async (request, response) => {
    const body = new Uint8Array(await buffer(request));
    requests.push({ path: request.url ?? "", headers: request.headers, body });
    if (answer === 200) spans.push(...read(body, request.headers["content-type"] ?? ""));
    if (answer === "never") return;
    response.writeHead(answer).end(answer === 200 ? "" : "\x1b[31mno\r\n".repeat(1000));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    async received(count) {
      await until(() => spans.length >= count, `${count} spans`);
      return spans;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function read(body: Uint8Array, type: string): ReceivedSpan[] {
  return type.startsWith("application/json")
    ? fromJson(JSON.parse(new TextDecoder().decode(body)))
    : fromProtobuf(body);
}

// deno-lint-ignore no-explicit-any -- as it comes
type Json = Record<string, any>;

function fromJson({ resourceSpans }: { resourceSpans?: Json[] }): ReceivedSpan[] {
  const attributesOf = (list: Json[] = []) =>
    Object.fromEntries(list.map(({ key, value }) => {
      const { stringValue, intValue, doubleValue } = value;
      return [key, stringValue ?? doubleValue ?? Number(intValue)];
    }));
  return (resourceSpans ?? []).flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }: Json) =>
      spans.map((span: Json) => ({
        ...span,
        parentSpanId: span.parentSpanId ?? "",
        start: Number(span.startTimeUnixNano) / 1e6,
        end: Number(span.endTimeUnixNano) / 1e6,
        attributes: attributesOf(span.attributes),
        status: { code: 0, message: "", ...span.status },
        links: span.links ?? [],
        resource: attributesOf(resource.attributes),
      }))
    )
  );
}

/** Field numbers of opentelemetry/proto/trace/v1/trace.proto. */
function fromProtobuf(body: Uint8Array): ReceivedSpan[] {
  return messages(body, 1).flatMap((resourceSpans) => {
    const [resource = new Uint8Array()] = messages(resourceSpans, 1);
    return messages(resourceSpans, 2).flatMap((scopeSpans) =>
      messages(scopeSpans, 2).map((span) => {
        const [status = new Uint8Array()] = messages(span, 15);
        return {
          traceId: hex(messages(span, 1)[0]),
          spanId: hex(messages(span, 2)[0]),
          parentSpanId: hex(messages(span, 4)[0]),
          name: text(messages(span, 5)[0]),
          start: Number(numbers(span, 7)[0]) / 1e6,
          end: Number(numbers(span, 8)[0]) / 1e6,
          attributes: attributes(messages(span, 9)),
          status: { code: Number(numbers(status, 3)[0] ?? 0), message: text(messages(status, 2)[0]) },
          links: messages(span, 13).map((link) => ({
            traceId: hex(messages(link, 1)[0]),
            spanId: hex(messages(link, 2)[0]),
          })),
          resource: attributes(messages(resource, 1)),
        };
      })
    );
  });
}

function attributes(list: Uint8Array[]): Record<string, string | number> {
  return Object.fromEntries(list.map((pair) => {
    const [value = new Uint8Array()] = messages(pair, 2);
    const [string] = messages(value, 1);
    const [double] = numbers(value, 4);
    return [
      text(messages(pair, 1)[0]),
      string
        ? text(string)
        : double === undefined
        ? Number(numbers(value, 3)[0])
        : new Float64Array(new BigUint64Array([double]).buffer)[0] ?? NaN,
    ];
  }));
}

const hex = (bytes: Uint8Array = new Uint8Array()) =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const text = (bytes: Uint8Array = new Uint8Array()) => new TextDecoder().decode(bytes);
const messages = (bytes: Uint8Array, field: number) =>
  fields(bytes).filter(({ number, value }) => number === field && typeof value === "object")
    .map(({ value }) => value as Uint8Array);
const numbers = (bytes: Uint8Array, field: number) =>
  fields(bytes).filter(({ number, value }) => number === field && typeof value === "bigint")
    .map(({ value }) => value as bigint);

function fields(bytes: Uint8Array): { number: number; value: bigint | Uint8Array }[] {
  const found: { number: number; value: bigint | Uint8Array }[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const fixed = (size: 4 | 8): bigint => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
    at += size;
    return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const kind = tag & 7;
    if (kind === 2) {
      const length = Number(varint());
      found.push({ number: tag >> 3, value: bytes.subarray(at, at + length) });
      at += length;
    } else found.push({ number: tag >> 3, value: kind === 0 ? varint() : fixed(kind === 1 ? 8 : 4) });
  }
  return found;
}
