import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { planeGauges } from "../../lib/cli/up/plane-gauges.ts";
import { PlaneMetrics } from "../../lib/engine/shell/plane-metrics.ts";
import { drive, OK } from "../engine/support/drive.ts";
import { submission } from "../engine/support/runs.ts";
import { endOf, openWorld } from "../engine/support/world.ts";
import { parseAllYaml } from "../../lib/cli/shared/request/parse-yaml.ts";

const docs = join(import.meta.dirname ?? "", "../../docs");
const NAME = /\b(?:conveyor|process)_[a-z_]+\b/g;

/** The names of /metrics, with those that a histogram has below its own, and the labels that each has. */
async function namesOfMetrics(): Promise<Map<string, Set<string>>> {
  await using world = await openWorld();
  const metrics = new PlaneMetrics();
  const engine = await world.engine({ changed: metrics.changed });
  await drive(world, "a", () => ({ success: false, message: "", data: { reason: "command-failed" } }));
  await drive(world, "b", () => OK);
  await endOf(engine, await engine.submit(submission("a b!")));
  await engine.submit(submission("nobody"));
  const text = await metrics.text(world.store.runs, {
    now: Date.now(),
    gauges: () =>
      planeGauges({
        folder: tmpdir(),
        troubles: () => ["a part"],
        slots: () => ({ used: 1, total: 2 }),
        stored: () => Promise.resolve({ deadLetters: 1, logBytes: 2, logLimit: 3 }),
        host: {
          docker: { endpoint: "unix:///d", list: () => Promise.resolve([]) },
          info: { rootFolder: tmpdir() },
          owner: "o",
        },
      }),
  });
  const names = new Map(
    Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name = ""]) => [name, new Set<string>()]),
  );
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)(?:\{([^}]*)\})? /gm)) {
    const own = names.get(name) ?? new Set(["job", "instance"]);
    for (const [, label = ""] of labels.matchAll(/(\w+)=/g)) own.add(label);
    names.set(name, own);
  }
  return names;
}

test("the sample alerts and the dashboard name only what /metrics has, and labels that it has", async () => {
  const known = await namesOfMetrics();
  const alerts = await readFile(join(docs, "alerts.yaml"), "utf8");
  const dashboard = await readFile(join(docs, "grafana-dashboard.json"), "utf8");
  const [{ value } = { value: undefined }] = await parseAllYaml(alerts);
  const { groups } = value as { groups: { rules: { alert: string; expr: string }[] }[] };
  const { panels } = JSON.parse(dashboard) as { panels: { title: string; targets: { expr: string }[] }[] };
  const queries = [
    ...groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ what: alert, expr }))),
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ what: title, expr }))),
  ];
  assert.ok(queries.length > 15);
  for (const { what, expr } of queries) {
    const names = expr.match(NAME) ?? [];
    assert.ok(names.length > 0 || expr.startsWith("up{"), what);
    const labels = new Set(["le", "job", "instance", ...names.flatMap((name) => [...known.get(name) ?? []])]);
    for (const name of names) assert.ok(known.has(name), `${what}: /metrics has no ${name}`);
    for (const [, list = ""] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
      for (const label of list.split(/, */)) {
        assert.ok(labels.has(label), `${what}: ${names} has no label ${label}`);
      }
    }
    for (const [, label = ""] of expr.matchAll(/[{,](\w+)!?=~?"/g)) {
      assert.ok(labels.has(label), `${what}: ${names} has no label ${label}`);
    }
  }
});
