const MISSING = "500 for what is missing";
const TAKEN = "`PUT` takes name, type and pipeline unchecked";
const FORMS = "form bodies and XML are read";
const NO_STEPS = "a pipeline without steps is stored";
const ROUTES = "pipelines cannot be read";
const BROKEN = "a definition without a schema";
const IDS = "`apply` and `PUT` lose";
const LARGE = "a resource of up to 1.5 MB";
const LOGS = "`POST /logs` stores lines of any run";
const ORDER = "lines of one second in any order";
const LINES = Array.from({ length: 5 }, (_, i) => `line 0000${i} of 5`);
const SCHEMA = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };

/**
 * Exchanges that we answer differently: our status, the beginning of the row of docs/conveyor-api.md that
 * says why, and our answer if it is a success.
 */
export const DIFFERENCES: Readonly<Record<string, readonly [status: number, row: string, answer?: unknown]>> =
  {
    "logs-get-run": [200, ORDER],
    "cors-preflight": [405, "any origin may call it"],
    "def-create-dup": [409, MISSING],
    "def-create-no-content-type": [415, FORMS],
    "def-create-form": [415, FORMS],
    "def-create-null": [400, FORMS],
    "def-create-badschema": [400, BROKEN],
    "def-get-uppername": [404, MISSING],
    "def-get-missing": [404, MISSING],
    "def-apply-create-get": [200, IDS, {
      id: "ID",
      name: "ap",
      description: "x",
      version: "1",
      schema: SCHEMA,
    }],
    "def-apply-update": [201, IDS, { id: "ID", name: "ap", description: "y", version: "2", schema: SCHEMA }],
    "def-put": [400, IDS],
    "def-put-get": [200, IDS, { id: "ID", name: "t1", description: "d", version: "1", schema: SCHEMA }],
    "def-put-missing": [404, MISSING],
    "def-delete-missing": [404, MISSING],
    "pipe-create-overwrite": [400, NO_STEPS],
    "pipe-create-unknown-type": [400, NO_STEPS],
    "pipe-list": [200, ROUTES],
    "pipe-get": [200, ROUTES],
    "res-create-dup": [409, MISSING],
    "res-create-unknown-type": [404, MISSING],
    "res-create-no-schema": [404, BROKEN],
    "res-create-badschema": [404, BROKEN],
    "res-create-local-ref": [404, "`$ref` reads the server's files"],
    "res-create-missing-pipeline": [404, MISSING],
    "res-create-wrong-pipeline": [404, NO_STEPS],
    "res-get-space": [200, "path parameters are not decoded", {
      id: "ID",
      name: "a b",
      resource: "any",
      metadata: { version: "1" },
      spec: {},
    }],
    "res-get-name-with-slash": [404, "path parameters are not decoded"],
    "res-create-type-with-space": [400, "empty names and types"],
    "res-get": [200, "metadata of `POST /resources` is dropped", {
      id: "ID",
      name: "a",
      resource: "r1",
      metadata: { k: "v", version: "1" },
      spec: { n: 1 },
    }],
    "res-get-missing": [404, MISSING],
    "res-get-version-missing": [404, MISSING],
    "res-list": [200, ROUTES],
    "res-put": [400, TAKEN],
    "res-put-get-version-2": [404, TAKEN],
    "res-put-no-metadata": [200, "`PUT` drops results and metadata", {
      id: "ID",
      name: "a",
      resource: "r1",
      runid: "ID",
      metadata: { k: "v", version: "2" },
      spec: { n: 3 },
    }],
    "res-put-missing": [404, MISSING],
    "res-put-null": [400, FORMS],
    "res-delete-missing": [404, "`DELETE` of what is missing"],
    "res-recreate-version-3": [404, "snapshots outlive their resource"],
    "res-create-over-1-mib": [413, LARGE],
    "res-create-1.6-mb": [413, LARGE],
    "res-create-format-2020-12": [400, "formats are asserted by default"],
    "res-create-unknown-schema-uri": [404, BROKEN],
    "log-post": [404, LOGS],
    "log-post-no-content-type": [415, FORMS],
    "logs-get-three-filters": [200, LOGS, []],
    "logs-get-unknown-parameter": [400, "unknown parameters are ignored"],
    "sse-run-stored": [200, ORDER, LINES],
    "sse-driver-stored": [200, ORDER, LINES],
    "sse-run-unknown": [404, "an unknown run is an endless stream"],
  };
