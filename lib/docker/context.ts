import { createHash } from "node:crypto";
import { join } from "node:path";
import { InputError } from "../base/errors.ts";
import type { DockerEndpoint, Tls } from "./endpoint.ts";
import { parseEndpoint } from "./parse-endpoint.ts";
import { readJsonIfThere } from "../base/files.ts";
import { readTlsFiles } from "./tls-files.ts";

/** The context that `docker context use` has chosen, if it has. */
export async function readCurrentContext(configFolder: string): Promise<string | undefined> {
  const config = await readJsonIfThere(join(configFolder, "config.json"));
  return typeof config?.currentContext === "string" ? config.currentContext : undefined;
}

/** The daemon of a context. Throws InputError where there is no such context, or none with a daemon. */
export async function readContext(configFolder: string, name: string): Promise<DockerEndpoint> {
  // Docker names the folders of a context after the hash of its name.
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
