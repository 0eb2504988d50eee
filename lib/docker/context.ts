import { createHash } from "node:crypto";
import { join } from "node:path";
import { InputError, UnavailableError } from "../base/errors.ts";
import type { DockerEndpoint, Tls } from "./endpoint.ts";
import { parseEndpoint } from "./parse-endpoint.ts";
import { readJsonIfThere } from "../base/files.ts";
import { readTlsFiles } from "./tls-files.ts";

/** Returns the context set by `docker context use`; undefined if there is none. */
export async function readCurrentContext(configFolder: string): Promise<string | undefined> {
  const config = await readJsonIfThere(join(configFolder, "config.json"));
  return typeof config?.currentContext === "string" ? config.currentContext : undefined;
}

/**
 * Returns the endpoint of a context. Throws `InputError` if there is no such context or it has no endpoint,
 * `UnavailableError` without a folder of contexts.
 */
export async function readContext(configFolder: string | undefined, name: string): Promise<DockerEndpoint> {
  if (configFolder === undefined) {
    throw new UnavailableError(`Cannot look up the Docker context "${name}": this user has no home folder`, {
      hint: "Set HOME, or name Docker's folder of contexts with DOCKER_CONFIG.",
    });
  }
  // Docker names a context's folders after the hash of its name.
  const hash = createHash("sha256").update(name).digest("hex");
  const contexts = join(configFolder, "contexts");
  const meta = await readJsonIfThere(join(contexts, "meta", hash, "meta.json"));
  if (!meta) {
    throw new InputError(
      `Unknown Docker context "${name}": expected one of those that "docker context ls" shows`,
    );
  }
  const { docker } = (meta.Endpoints ?? {}) as { docker?: { Host?: unknown; SkipTLSVerify?: unknown } };
  if (typeof docker?.Host !== "string") {
    throw new InputError(
      `Invalid Docker context "${name}": expected it to have an endpoint "docker" with a host`,
    );
  }
  const skipVerify = docker.SkipTLSVerify === true;
  return await parseEndpoint(docker.Host, async (): Promise<Tls | undefined> => {
    const files = await readTlsFiles(join(contexts, "tls", hash, "docker"));
    const wanted = skipVerify || Object.keys(files).length > 0;
    return wanted ? { ...files, rejectUnauthorized: !skipVerify } : undefined;
  });
}
