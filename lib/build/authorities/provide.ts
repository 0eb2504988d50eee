import { StepFailure } from "../../base/errors.ts";
import type { ContainerInfo } from "../../docker/docker.ts";
import { capture } from "../../driver/work/exec.ts";
import { ownEnvironment } from "../../driver/work/own-environment.ts";
import { inPieces } from "../artifacts/byte-queue.ts";
import { OWN_FOLDER } from "../keep-running.ts";
import { buildUser } from "../labels.ts";
import type { Plan } from "../plan.ts";
import type { BuildContext } from "../policy.ts";
import { KNOWN_AUTHORITIES } from "./bundle-script.ts";
import { joinAuthorities, shownAuthorities } from "./parse.ts";

/** The authorities of a build alone, and with the image's own before them. */
const ADDED = `${OWN_FOLDER}/ca.pem`;
const WHOLE = `${OWN_FOLDER}/ca-bundle.pem`;
/** A copy of one of the image's files: half a certificate would spoil those after it. */
const COPY = `${OWN_FOLDER}/ca-copy.pem`;

/** Variables that name authorities instead of a program's own. */
const REPLACING = [
  "SSL_CERT_FILE",
  "GIT_SSL_CAINFO",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
];
/** Variables that name authorities beside a program's own. */
const ADDING = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/**
 * What the image's own variables name stays trusted. Prints nothing, or "none" if the image has no
 * authorities.
 */
const SCRIPT = `
umask 022
rm -f ${ADDED} ${WHOLE}
${KNOWN_AUTHORITIES}
named() {
  for file; do
    [ "$file" != "$SSL_CERT_FILE" ] && usable_authorities "$file" || continue
    if cat <"$file" >${COPY}; then cat ${COPY} && echo || return
    # The copy could not be written, and cat has said why.
    elif cat <"$file" >/dev/null; then return 1
    else echo "$file cannot be read to its end, and is not used" >&2; fi
  done
  rm -f ${COPY}
}
known_authorities >${WHOLE} || exit
[ -s ${WHOLE} ] || echo none
named ${REPLACING.map((name) => `"$${name}"`).join(" ")} >>${WHOLE} &&
named ${ADDING.map((name) => `"$${name}"`).join(" ")} >${ADDED} &&
cat >>${ADDED} && cat ${ADDED} >>${WHOLE}
`;

/**
 * Puts the authorities of a build into its container, as files that its commands can read. Returns the
 * variables that name them; none if there are no authorities. Throws StepFailure `container-failed`.
 */
export async function provideAuthorities(
  context: BuildContext,
  container: ContainerInfo,
  { authorities, env }: Plan,
): Promise<Record<string, string>> {
  const all = joinAuthorities(context.policy.authorities, authorities);
  if (!all) return {};
  const own = Object.fromEntries(
    [...REPLACING, ...ADDING].flatMap((name) => {
      const value = container.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const { exitCode, stdout, stderr } = await capture(context, container.id, {
    command: ["/bin/sh", "-c", SCRIPT],
    stdin: inPieces([Buffer.from(all.pem)]),
    env: { ...ownEnvironment(container), ...own },
    workdir: "/",
    ...buildUser(container),
  });
  if (exitCode !== 0) {
    throw new StepFailure(
      `Cannot put the certificate authorities into the container: ${
        stderr.trim() || `exited with ${exitCode}`
      }`,
      { reason: "container-failed" },
    );
  }
  const variables = Object.fromEntries([
    ...REPLACING.map((name) => [name, WHOLE]),
    ...ADDING.map((name) => [name, ADDED]),
  ]);
  const shown = Object.keys(variables).filter((name) => !Object.hasOwn(env, name));
  // Several variables may name one file, and programs of the image may warn of other things.
  const unused = new Set(stderr.split("\n").filter((line) => /, and (?:is )?not used$/.test(line)));
  for (const line of unused) await context.log.line(`Certificate authorities of the image: ${line}`);
  const whom = stdout.trim() === "none"
    ? `only ${shownAuthorities(all)}, since the image has no certificate authorities${
      unused.size === 0 ? "" : " that can be used"
    }`
    : `${shownAuthorities(all)} beside the image's certificate authorities`;
  await context.log.line(`The build trusts ${whom}: ${shown.join(", ")}`);
  return variables;
}
