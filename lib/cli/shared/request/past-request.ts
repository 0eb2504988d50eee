import { randomUUID } from "node:crypto";
import { planBuild } from "../../../build/plan.ts";
import { DEFAULT_PIDS } from "../../../build/policy.ts";
import { FLUTTER_BUILDER } from "../../../build/spec.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import type { Pipeline } from "../../../wire/resource.ts";
import { NO_LIMITS, othersToAllow } from "./allowances.ts";
import type { BuildRequest, BuildRequestOptions } from "./build-request.ts";
import { type OwnFolders, ownFolders, pinned } from "./local-request.ts";
import { checkNoSecretIn } from "./no-secret-in.ts";
import { secretsOf } from "./secrets-of.ts";

/** An earlier build. */
export interface PastBuild {
  readonly run: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly pipeline: Pipeline;
}

/**
 * Returns the request to repeat an earlier build of this machine. Allows the networks, variables and
 * processes of its spec, as its command line did. Throws as `buildRequest`.
 */
export async function requestOfPast(
  { name, spec: before, pipeline }: PastBuild,
  environment: Environment,
  folders: OwnFolders,
  { verifySignatures }: Pick<BuildRequestOptions, "verifySignatures"> = {},
): Promise<BuildRequest> {
  const spec: Record<string, unknown> = {
    ...before,
    ...verifySignatures !== undefined && { verifySignatures },
  };
  const asked = othersToAllow(spec);
  const { allowNetworks, allowEnv } = asked;
  const limits = typeof spec.limits === "object" && spec.limits !== null ? spec.limits : {};
  const pids = "pids" in limits && typeof limits.pids === "number" ? limits.pids : 0;
  const plan = planBuild(spec, {
    ...NO_LIMITS,
    allowNetworks,
    allowEnv,
    allowPrivileged: false,
    environment,
    allowLocalRepository: true,
    maxPids: Math.max(pids, DEFAULT_PIDS),
  });
  const secrets = secretsOf(plan.spec.secrets, environment);
  checkNoSecretIn(spec, secrets);
  const local = await pinned(plan, { own: ownFolders(folders, environment), environment });
  const resource = {
    id: randomUUID(),
    name,
    pipeline: pipeline.name,
    resource: FLUTTER_BUILDER,
    metadata: {},
    spec,
  };
  const isImageChosen = spec.image === undefined;
  return {
    resource,
    plan,
    pipeline,
    storedPipeline: undefined,
    secrets,
    allowEnv,
    allowNetworks,
    trustedImages: isImageChosen ? [plan.spec.image] : [],
    local,
    fileName: undefined,
    assumed: undefined,
  };
}
