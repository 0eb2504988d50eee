/**
 * What clients of Conveyor send and what its server was seen to answer, in an order that works from an empty
 * one: `name METHOD path (type) body => status answer`. Without a name it is there for those behind it.
 * `SCHEMA` stands for a schema that wants an integer `n`, `ID` for any UUID, `{run}` for the run of `app-1`,
 * `<name bytes>` for a resource of so many.
 */
export const EXCHANGES = String.raw`
definition-create POST /resource-definitions {"name":"bench-type","description":"bench","version":"1.0.0","schema":{"type":"object","properties":{"repository":{"type":"string"},"env":{"type":"array","items":{"type":"object"}}},"required":["env"]}} => 201 {"id":"ID","name":"bench-type","description":"bench","version":"1.0.0","schema":{"properties":{"env":{"items":{"type":"object"},"type":"array"},"repository":{"type":"string"}},"required":["env"],"type":"object"}}
- POST /pipelines {"name":"ab","resource":"bench-type","steps":[{"id":"s1","name":"start","driver":"drv-noop"},{"id":"s2","name":"log","driver":"drv-log"},{"id":"s3","name":"stop","driver":"drv-stop"}]}
pipeline-create POST /pipelines {"name":"fail","description":"d","version":"1","resource":"bench-type","steps":[{"id":"s1","name":"start","driver":"drv-noop"},{"id":"s2","name":"fail","driver":"drv-fail"},{"id":"s3","name":"stop","driver":"drv-stop"}],"metadata":{"a":"b"}} => 201 {"name":"fail","description":"d","version":"1","resource":"bench-type","steps":[{"id":"s1","name":"start","driver":"drv-noop"},{"id":"s2","name":"fail","driver":"drv-fail"},{"id":"s3","name":"stop","driver":"drv-stop"}],"metadata":{"a":"b"}}
resource-create-nopipeline POST /resources {"name":"app-0","resource":"bench-type","spec":{"repository":"https://example.invalid/r.git","env":[]}} => 201 {"message":"Resource created successfully","name":"app-0","runid":"ID","version":"1"}
resource-create-pipeline POST /resources {"name":"app-1","resource":"bench-type","pipeline":"ab","spec":{"repository":"https://example.invalid/r.git?a=1&b=<2>","env":[{"name":"A","value":"1"}]}} => 201 {"message":"Resource created successfully","name":"app-1","runid":"ID","version":"1"}
resource-get-after-run GET /resources/bench-type/app-1 => 200 {"id":"ID","name":"app-1","pipeline":"ab","resource":"bench-type","metadata":{"driverresults.drv-log":"{\"success\":true,\"message\":\"ok\",\"data\":{\"errors\":0,\"lines\":5,\"ms\":1.568,\"per_s\":3188.3932283629256},\"driver\":\"drv-log\"}","driverresults.drv-noop":"{\"success\":true,\"message\":\"ok\",\"data\":{\"containerID\":\"c0ffee\"},\"driver\":\"drv-noop\"}","driverresults.drv-stop":"{\"success\":true,\"message\":\"ok\",\"data\":{\"containerID\":\"c0ffee\"},\"driver\":\"drv-stop\"}","version":"1"},"spec":{"env":[{"name":"A","value":"1"}],"repository":"https://example.invalid/r.git?a=1&b=<2>"}}
logs-get-run GET /logs?runid={run} => 200 [{"runid":"ID","driver":"drv-log","pipeline":"","timestamp":"","message":"line 00003 of 5"},{"runid":"ID","driver":"drv-log","pipeline":"","timestamp":"","message":"line 00000 of 5"},{"runid":"ID","driver":"drv-log","pipeline":"","timestamp":"","message":"line 00004 of 5"},{"runid":"ID","driver":"drv-log","pipeline":"","timestamp":"","message":"line 00002 of 5"},{"runid":"ID","driver":"drv-log","pipeline":"","timestamp":"","message":"line 00001 of 5"}]
resource-create-failing-pipeline POST /resources {"name":"app-2","resource":"bench-type","pipeline":"fail","spec":{"env":[]}} => 201 {"message":"Resource created successfully","name":"app-2","runid":"ID","version":"1"}
resource-get-after-failed-run GET /resources/bench-type/app-2 => 200 {"id":"ID","name":"app-2","pipeline":"fail","resource":"bench-type","metadata":{"driverresults.drv-fail":"{\"success\":false,\"message\":\"compile error: exit code 2\",\"data\":null,\"driver\":\"drv-fail\"}","driverresults.drv-noop":"{\"success\":true,\"message\":\"ok\",\"data\":{\"containerID\":\"c0ffee\"},\"driver\":\"drv-noop\"}","version":"1"},"spec":{"env":[]}}
resource-get-snapshot-after-failed-run GET /resources/bench-type/app-2/1 => 200 {"id":"ID","name":"app-2","pipeline":"fail","resource":"bench-type","metadata":{"version":"1"},"spec":{"env":[]}}
broadcast POST /drivers/broadcast-message {"event":"ping","payload":"anything"} => 200 {"message":"message published"}
health-case-and-slash GET /HEALTH/ => 200 {"status":"healthy","time":0}
root GET / => 200
method-not-allowed PATCH /resources/a/b {} => 405
cors-simple GET /health (origin) => 200 {"status":"healthy","time":0}
cors-preflight OPTIONS /resources (origin) => 204
def-create POST /resource-definitions {"name":"t1","description":"d","version":"1","schema":SCHEMA} => 201 {"id":"ID","name":"t1","description":"d","version":"1","schema":SCHEMA}
def-create-dup POST /resource-definitions {"name":"t1","schema":SCHEMA} => 500
- POST /resource-definitions {"name":"t2","schema":SCHEMA}
def-create-two-slashes POST /resource-definitions// {"name":"t2b","schema":SCHEMA} => 201 {"id":"ID","name":"t2b","description":"","version":"","schema":SCHEMA}
- POST /resource-definitions {"name":"t3","schema":SCHEMA}
def-create-no-content-type POST /resource-definitions (no type) {"name":"t5","schema":SCHEMA} => 400
def-create-form POST /resource-definitions (application/x-www-form-urlencoded) name=t8&version=1 => 201 {"id":"ID","name":"t8","description":"","version":"1","schema":null}
def-create-broken POST /resource-definitions {"name": => 400
def-create-null POST /resource-definitions null => 201 {"id":"ID","name":"","description":"","version":"","schema":null}
- POST /resource-definitions {"name":"t12"}
def-create-badschema POST /resource-definitions {"name":"t13","schema":{"type":"wat"}} => 201 {"id":"ID","name":"t13","description":"","version":"","schema":{"type":"wat"}}
def-get GET /resource-definitions/t1 => 200 {"id":"ID","name":"t1","description":"d","version":"1","schema":SCHEMA}
def-get-uppername GET /resource-definitions/T1 => 500
def-get-missing GET /resource-definitions/nope => 500
- POST /resource-definitions {"name":"a b","schema":SCHEMA}
def-apply-create POST /resource-definitions/apply {"name":"ap","description":"x","version":"1","schema":SCHEMA} => 201 {"id":"ID","name":"ap","description":"x","version":"1","schema":SCHEMA}
def-apply-create-get GET /resource-definitions/ap => 200 {"id":"","name":"ap","description":"x","version":"1","schema":SCHEMA}
def-apply-update POST /resource-definitions/apply {"name":"ap","description":"y","version":"2","schema":SCHEMA} => 201 {"id":"","name":"ap","description":"y","version":"2","schema":SCHEMA}
def-apply-noname POST /resource-definitions/apply {"schema":SCHEMA} => 400
def-put PUT /resource-definitions/t1 {"name":"other","description":"changed","schema":SCHEMA} => 200 {"id":"","name":"other","description":"changed","version":"","schema":SCHEMA}
def-put-get GET /resource-definitions/t1 => 200 {"id":"","name":"other","description":"changed","version":"","schema":SCHEMA}
def-put-missing PUT /resource-definitions/nope {"name":"nope","schema":SCHEMA} => 500
def-delete DELETE /resource-definitions/t2 => 204
def-delete-missing DELETE /resource-definitions/t2 => 500
pipe-create POST /pipelines {"name":"p1","resource":"t3","steps":[{"id":"1","name":"n","driver":"d"}]} => 201 {"name":"p1","description":"","version":"","resource":"t3","steps":[{"id":"1","name":"n","driver":"d"}],"metadata":null}
pipe-create-overwrite POST /pipelines/ {"name":"p1","resource":"t3","steps":[]} => 201 {"name":"p1","description":"","version":"","resource":"t3","steps":[],"metadata":null}
pipe-create-unknown-type POST /pipelines {"name":"p2","resource":"zzz","steps":[]} => 500
pipe-create-wrong-type POST /pipelines {"name":"p3","resource":"t3","steps":[{"id":1}]} => 400
pipe-list GET /pipelines => 405
pipe-get GET /pipelines/p1 => 404
- POST /resource-definitions {"name":"r1","schema":SCHEMA}
- POST /resource-definitions {"name":"any","schema":{}}
- POST /resource-definitions {"name":"big","schema":{}}
- POST /resource-definitions {"name":"fmt","schema":{"properties":{"e":{"format":"email"}}}}
- POST /resource-definitions {"name":"loc","schema":{"$ref":"file:///<local file>"}}
- POST /pipelines {"name":"pr1","resource":"r1","steps":[]}
res-create POST /resources {"id":"mine","name":"a","resource":"r1","metadata":{"k":"v"},"spec":{"n":1}} => 201 {"message":"Resource created successfully","name":"a","runid":"ID","version":"1"}
res-create-dup POST /resources {"name":"a","resource":"r1","spec":{"n":1}} => 500
res-create-no-type POST /resources {"name":"a","spec":{}} => 400
res-create-unknown-type POST /resources {"name":"a","resource":"nope","spec":{}} => 500
res-create-no-schema POST /resources {"name":"a","resource":"t12","spec":{}} => 400
res-create-badschema POST /resources {"name":"a","resource":"t13","spec":{}} => 400
res-create-invalid POST /resources {"name":"c","resource":"r1","spec":{"n":"x"}} => 400
res-create-format-no-schema-uri POST /resources {"name":"c","resource":"fmt","spec":{"e":"notanemail"}} => 400
res-create-local-ref POST /resources {"name":"c","resource":"loc","spec":{"e":"notanemail"}} => 400
res-create-missing-pipeline POST /resources {"name":"c","resource":"r1","pipeline":"nope","spec":{"n":1}} => 500
res-create-wrong-pipeline POST /resources {"name":"c","resource":"any","pipeline":"pr1","spec":{"n":1}} => 400
res-create-metadata-number POST /resources {"name":"d","resource":"r1","metadata":{"a":1},"spec":{"n":1}} => 400
res-create-bignum POST /resources {"name":"num","resource":"any","spec":{"i":12345678901234567890,"f":1.0,"e":1e21,"z":{"b":1,"a":2},"u":"a&b<c>\u2028é","dup":1,"dup":2}} => 201 {"message":"Resource created successfully","name":"num","runid":"ID","version":"1"}
res-get-bignum GET /resources/any/num => 200 {"id":"ID","name":"num","resource":"any","metadata":{"version":"1"},"spec":{"dup":2,"e":1e+21,"f":1,"i":12345678901234567000,"u":"a&b<c>\u2028é","z":{"a":2,"b":1}}}
- POST /resources {"name":"a b","resource":"any","spec":{}}
res-get-space GET /resources/any/a%20b => 500
- POST /resources {"name":"s/2","resource":"any","spec":{"who":"s/2"}}
- POST /resources {"name":"s","resource":"any","spec":{"who":"s"}}
res-get-name-with-slash GET /resources/any/s/2 => 200 {"id":"ID","name":"s/2","resource":"any","metadata":{"version":"1"},"spec":{"who":"s/2"}}
res-create-type-with-space POST /resources {"name":"q","resource":"a b","spec":{"n":1}} => 500
res-get GET /resources/r1/a => 200 {"id":"ID","name":"a","resource":"r1","metadata":{"version":"1"},"spec":{"n":1}}
res-head HEAD /resources/r1/a => 200
res-get-missing GET /resources/r1/zz => 500
res-get-version-missing GET /resources/r1/a/2 => 500
res-list GET /resources => 400
res-put PUT /resources/r1/a {"id":"zzz","name":"NEWNAME","resource":"OTHER","pipeline":"nope","metadata":{"version":"77","k":"v"},"spec":{"n":2}} => 200 {"id":"ID","name":"NEWNAME","pipeline":"nope","resource":"OTHER","metadata":{"k":"v","version":"2"},"spec":{"n":2}}
res-put-get-version-2 GET /resources/r1/a/2 => 200 {"id":"ID","name":"NEWNAME","pipeline":"nope","resource":"OTHER","metadata":{"k":"v","version":"2"},"spec":{"n":2}}
res-put-no-metadata PUT /resources/r1/a {"name":"a","resource":"r1","spec":{"n":3}} => 200 {"id":"ID","name":"a","resource":"r1","metadata":{"version":"3"},"spec":{"n":3}}
res-put-badspec PUT /resources/r1/a {"name":"a","resource":"r1","spec":{"n":"x"}} => 400
res-put-missing PUT /resources/r1/zz {"name":"zz","resource":"r1","spec":{"n":3}} => 500
res-put-null PUT /resources/any/num null => 200 {"id":"ID","name":"","resource":"","metadata":{"version":"2"},"spec":null}
res-delete DELETE /resources/r1/a => 204
res-delete-missing DELETE /resources/r1/a => 204
res-recreate POST /resources {"name":"a","resource":"r1","spec":{"n":9}} => 201 {"message":"Resource created successfully","name":"a","runid":"ID","version":"1"}
res-recreate-version-1 GET /resources/r1/a/1 => 200 {"id":"ID","name":"a","resource":"r1","metadata":{"version":"1"},"spec":{"n":9}}
res-recreate-version-3 GET /resources/r1/a/3 => 200 {"id":"ID","name":"a","resource":"r1","metadata":{"version":"3"},"spec":{"n":3}}
res-create-over-1-mib POST /resources <over1m 1048636> => 500
res-create-1.6-mb POST /resources <over1.6m 1600052> => 500
res-create-over-4-mib POST /resources <over4MiB 4194305> => 413
- POST /resource-definitions {"name":"fmtd2020","schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"e":{"format":"email"}}}}
res-create-format-2020-12 POST /resources {"name":"c1795471918.962178","resource":"fmtd2020","spec":{"e":"notanemail"}} => 201 {"message":"Resource created successfully","name":"c1795471918.962178","runid":"ID","version":"1"}
- POST /resource-definitions {"name":"fmtdunk","schema":{"$schema":"https://example.invalid/none","properties":{"e":{"format":"email"}}}}
res-create-unknown-schema-uri POST /resources {"name":"c1795471918.9692","resource":"fmtdunk","spec":{"e":"notanemail"}} => 400
log-post POST /logs {"runid":"R1","driver":"d1","pipeline":"p1","timestamp":"2026-01-01T00:00:00.000Z","message":"hello\n","extra":1} => 201
- POST /logs {"run_id":"R1","driver":"d1","timestamp":"1","message":"x"}
log-post-broken POST /logs {"a => 400
log-post-no-content-type POST /logs (no type) {"runid":"R1"} => 400
log-post-wrong-type POST /logs {"runid":1} => 400
- POST /logs {}
- POST /logs {"runid":"R|2","driver":"d1","timestamp":"1","message":"x"}
logs-get-three-filters GET /logs?pipeline=p1&driver=d1&runid=R1 => 200 [{"runid":"R1","driver":"d1","pipeline":"p1","timestamp":"2026-01-01T00:00:00.000Z","message":"hello\n"}]
logs-get-none GET /logs?runid=none => 200 []
logs-get-unknown-parameter GET /logs?RUNID=R1 => 200
broadcast-object-payload POST /drivers/broadcast-message {"event":"x","payload":{}} => 400
method-unknown FOO /resources => 400
sse-run-stored GET /logs/pipeline/{run} => 200 ["line 00003 of 5","line 00000 of 5","line 00004 of 5","line 00002 of 5","line 00001 of 5"]
sse-run-unknown GET /logs/pipeline/unknown-run => 200
sse-driver-stored GET /logs/streams/drv-log/{run} => 200 ["line 00003 of 5","line 00000 of 5","line 00004 of 5","line 00002 of 5","line 00001 of 5"]
sse-head HEAD /logs/pipeline/{run} => 200
`;
