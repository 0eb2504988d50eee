import { createHash } from "node:crypto";

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
input, textarea, button { font: inherit; padding: .2rem .4rem; }
input[type=text], input[type=password], textarea { width: 100%; box-sizing: border-box; }
textarea, pre { font-family: ui-monospace, monospace; font-size: 13px; }
textarea { min-height: 7rem; }
details { border: 1px solid #8884; border-radius: .3rem; margin: .3rem 0; padding: .3rem .6rem; }
summary { cursor: pointer; }
summary b { display: inline-block; width: 4.5rem; }
pre { overflow: auto; max-height: 30rem; padding: .5rem; background: #8882; }
label { display: block; margin: .4rem 0; }
small { opacity: .75; }
`;

/** Builds the page from /openapi.json. Whatever comes from the server is set as text, never as HTML. */
const SCRIPT = `
"use strict";
const byId = (id) => document.getElementById(id);
const make = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
};
const field = (parameter) => {
  const input = make("input");
  input.type = "text";
  const { name, description = "", required } = parameter;
  const label = make("label", name + (required ? " (required)" : ""), make("br"), input);
  if (description) label.append(make("small", description));
  return { label, input, parameter };
};
const sample = (schema) => {
  if (schema === undefined || typeof schema !== "object") return null;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return sample(schema.anyOf[0]);
  if (schema.type === "object") {
    const wanted = schema.required || [];
    const entries = Object.entries(schema.properties || {}).filter(([key]) => wanted.includes(key));
    return Object.fromEntries(entries.map(([key, inner]) => [key, sample(inner)]));
  }
  if (schema.type === "array") return [sample(schema.items)];
  return { string: "", integer: 1, number: 1, boolean: false }[schema.type] ?? {};
};
const headers = () => ({ Authorization: "Bearer " + byId("token").value });
const show = (method, path, operation) => {
  const fields = (operation.parameters || []).map(field);
  const body = operation.requestBody && make("textarea");
  const schema = body && operation.requestBody.content["application/json"].schema;
  if (body) body.value = JSON.stringify(sample(schema), null, 2);
  const button = make("button", "Send");
  const answer = make("pre");
  answer.hidden = true;
  button.addEventListener("click", async () => {
    const valuesIn = (place) => fields.filter(({ parameter, input }) => parameter.in === place && input.value !== "");
    const url = new URL(location.origin);
    url.pathname = path.replace(/\\{(\\w+)\\}/g, (_, name) => {
      const found = fields.find(({ parameter }) => parameter.name === name);
      return encodeURIComponent(found ? found.input.value : "");
    });
    for (const { parameter, input } of valuesIn("query")) url.searchParams.set(parameter.name, input.value);
    const given = headers();
    for (const { parameter, input } of valuesIn("header")) given[parameter.name] = input.value;
    if (body) given["Content-Type"] = "application/json";
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers: given, body: body ? body.value : undefined });
      answer.textContent = response.status + " " + response.statusText + "\\n";
      const reader = response.body ? response.body.pipeThrough(new TextDecoderStream()).getReader() : undefined;
      for (let size = 0; reader && size < 200000;) {
        const { done, value } = await reader.read();
        if (done) break;
        answer.append(value);
        size += value.length;
      }
      if (reader) await reader.cancel();
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  const about = make("p", operation.description || "");
  const parts = fields.map(({ label }) => label);
  const details = make("details", undefined, make("summary", undefined, make("b", method.toUpperCase()), path, " – " + operation.summary), about, ...parts);
  if (body) details.append(make("label", "Body", body));
  details.append(button, answer);
  return details;
};
const load = async () => {
  const place = byId("operations");
  place.replaceChildren();
  const response = await fetch("/openapi.json", { headers: headers() });
  const described = await response.json();
  if (!response.ok) return void place.append(make("p", described.error));
  const byTag = new Map();
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [tag] = operation.tags;
      byTag.set(tag, [...(byTag.get(tag) || []), show(method, path, operation)]);
    }
  }
  for (const [tag, operations] of byTag) place.append(make("h2", tag), ...operations);
};
byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  load().catch((error) => byId("operations").replaceChildren(make("p", String(error))));
});
`;

/** A page on which the API can be tried. It loads nothing but /openapi.json, with the token typed into it. */
export const SWAGGER_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Conveyor drivers: the API of the control plane</title>
<style>${STYLE}</style>
<h1>The API of the control plane</h1>
<form id="login">
<label>Token <input type="password" id="token" autocomplete="off" required></label>
<button>Show the routes</button>
</form>
<div id="operations"></div>
<script>${SCRIPT}</script>
</html>
`;

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Headers that let the page run its own script and ask its own server, and nothing else. */
export const SWAGGER_HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy":
    `default-src 'none'; script-src ${hashOf(SCRIPT)}; style-src ${hashOf(STYLE)}; connect-src 'self'; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};
