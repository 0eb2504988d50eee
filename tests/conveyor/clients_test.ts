import assert from "node:assert/strict";
import { test } from "node:test";
import { listen } from "../../lib/engine/http/listen.ts";
import { httpApi } from "../../lib/engine/http/api.ts";
import { namesOf } from "../../lib/engine/http/hosts.ts";
import { TOKEN } from "../engine/support/api.ts";
import { openWorld } from "../engine/support/world.ts";

const jsonOf = async (answer: Response) => await answer.json() as Record<string, unknown>;

/** A control plane that listens, with no types but those that clients define. */
async function serve() {
  await using opening = new AsyncDisposableStack();
  const world = opening.use(await openWorld());
  const engine = await world.engine();
  const api = httpApi({
    engine,
    store: world.store,
    token: TOKEN,
    isOurHost: namesOf("127.0.0.1", "here"),
    broadcast: (subject, data) => world.transport.broadcast(subject, data),
    resourceTypes: [],
    draining: new AbortController().signal,
  });
  const { url } = opening.use(await listen(api, { host: "127.0.0.1", port: 0 }));
  const opened = opening.move();
  return { url, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** As Go's encoding/json writes a Resource: every field, a nil map as null, no empty pipeline. */
interface GoResource {
  id: string;
  name: string;
  pipeline?: string;
  resource: string;
  metadata: Record<string, string> | null;
  spec: unknown;
}

/**
 * The requests of the Go client (pkg/client), which sends a token with each and decodes what comes as JSON.
 */
function goClient(url: string) {
  const send = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${TOKEN}`,
        "User-Agent": "Go-http-client/1.1",
      },
      ...body !== undefined && { body: JSON.stringify(body) },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
  return {
    createOrUpdateDefinition: (definition: object) => send("POST", "/resource-definitions/apply", definition),
    getDefinition: (name: string) => send("GET", `/resource-definitions/${name}`),
    updateDefinition: (name: string, definition: object) =>
      send("PUT", `/resource-definitions/${name}`, definition),
    deleteDefinition: (name: string) => send("DELETE", `/resource-definitions/${name}`),
    createResource: (resource: GoResource) => send("POST", "/resources", resource),
    getResource: (name: string, type: string): Promise<GoResource> =>
      send("GET", `/resources/${type}/${name}`),
    updateResource: (resource: GoResource) =>
      send("PUT", `/resources/${resource.resource}/${resource.name}`, resource),
    deleteResource: (name: string, type: string) => send("DELETE", `/resources/${type}/${name}`),
  };
}

test("the Go client defines a type, and creates, reads, changes and removes a resource", async () => {
  await using plane = await serve();
  const client = goClient(plane.url);
  const definition = { id: "", name: "app", description: "d", version: "1", schema: { type: "object" } };
  assert.match((await client.createOrUpdateDefinition(definition)).id, /-/);
  assert.equal((await client.getDefinition("app")).version, "1");
  assert.equal((await client.updateDefinition("app", { ...definition, version: "2" })).version, "2");
  const made = await client.createResource({
    id: "",
    name: "one",
    resource: "app",
    metadata: null,
    spec: { n: 1 },
  });
  assert.equal(made.name, "one");
  assert.match(made.runid, /-/);
  const read = await client.getResource("one", "app");
  const metadata = read.metadata ?? {};
  // A Go map of strings refuses anything else.
  assert.ok(Object.values(metadata).every((value) => typeof value === "string"));
  const changed = await client.updateResource({
    ...read,
    spec: { n: 2 },
    metadata: { ...metadata, mine: "x" },
  });
  assert.deepEqual([changed.id, changed.metadata, changed.spec], [read.id, { mine: "x", version: "2" }, {
    n: 2,
  }]);
  await client.deleteResource("one", "app");
  await client.deleteDefinition("app");
  await assert.rejects(client.getResource("one", "app"), /^Error: 404 /);
});

test("the Python client, which knows no token, works through something that adds it", async () => {
  await using plane = await serve();
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(plane.url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "User-Agent": "python-requests/2.32", ...headers },
      body: JSON.stringify(body),
    });
  const definition = { name: "app", description: "", version: "1.0.0", schema: { type: "object" } };
  const refused = await post("/resource-definitions/apply/", definition);
  assert.deepEqual([refused.status, (await jsonOf(refused)).code], [401, "unauthorized"]);
  const headers = { Authorization: `Bearer ${TOKEN}` };
  assert.equal((await post("/resource-definitions/apply/", definition, headers)).status, 201);
  assert.equal((await post("/resource-definitions/", { ...definition, name: "b" }, headers)).status, 201);
  const made = await post("/resources/", { name: "one", resource: "app", spec: {} }, headers);
  assert.deepEqual([made.status, (await jsonOf(made)).version], [201, "1"]);
});

test("the Rust client reads, and its writes, which name no content type, are refused as a Conveyor server does", async () => {
  await using plane = await serve();
  const headers = { Authorization: `Bearer ${TOKEN}` };
  await goClient(plane.url).createOrUpdateDefinition({ name: "app", schema: {} });
  await goClient(plane.url).createResource({
    id: "",
    name: "one",
    resource: "app",
    metadata: null,
    spec: {},
  });
  const definition = await fetch(`${plane.url}/resource-definitions/app`, { headers });
  assert.equal((await jsonOf(definition)).name, "app");
  assert.equal((await fetch(`${plane.url}/resources/app/one`, { headers })).status, 200);
  const body = new TextEncoder().encode(JSON.stringify({ name: "two", resource: "app", spec: {} }));
  const written = await fetch(`${plane.url}/resources`, { method: "POST", headers, body });
  assert.deepEqual([written.status, (await jsonOf(written)).code], [415, "unsupported-media-type"]);
  assert.equal((await fetch(`${plane.url}/resources/app/two`, { headers })).status, 404);
});

test("a request that is refused before its body was read leaves its connection in order", async () => {
  await using plane = await serve();
  const body = JSON.stringify({ name: "x".repeat(3_000_000) });
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  for (let i = 0; i < 3; i++) {
    const large = await fetch(`${plane.url}/resources`, { method: "POST", headers, body });
    assert.deepEqual([large.status, (await jsonOf(large)).code], [413, "too-large"]);
    const stranger = await fetch(`${plane.url}/resources`, {
      method: "POST",
      headers: { "Content-Type": "text/plain" },
      body,
    });
    assert.equal(stranger.status, 401);
    await stranger.text();
    assert.equal((await fetch(`${plane.url}/health`)).status, 200);
  }
});
