import { join } from "node:path";
import { askHelper } from "./credential-helper.ts";
import type { RegistryLogin } from "./docker.ts";
import { parseImageName } from "./image-name.ts";
import { readJsonIfThere } from "../base/files.ts";

/** Docker's key for logins to Docker Hub. */
const HUB_KEY = "https://index.docker.io/v1/";

/** The parts of Docker's `config.json` about logins. The content is not validated. */
interface Config {
  readonly auths?: Readonly<Record<string, AuthEntry | null>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/**
 * Returns the login that `docker login` stored for an image's registry; undefined if there is none. Asks the
 * registry's own helper, the helper for all, or the file itself. Throws `InputError` for an invalid image
 * name, `UnavailableError` if the file or a helper fails.
 */
export async function registryLogin(
  image: string,
  { configFolder, signal }: { configFolder: string; signal: AbortSignal },
): Promise<RegistryLogin | undefined> {
  signal.throwIfAborted();
  const { registry } = parseImageName(image);
  const serverAddress = registry === "docker.io" ? HUB_KEY : registry;
  const config = (await readJsonIfThere(join(configFolder, "config.json"))) as Config | undefined;
  const helper = config?.credHelpers?.[serverAddress] || config?.credsStore;
  if (helper) return await askHelper(helper, { serverAddress, signal });
  const entry = findEntry(config?.auths ?? {}, serverAddress);
  return entry && loginOf(entry, serverAddress);
}

/**
 * Returns the registry's entry. Old entries have whole addresses: `https://ghcr.io/v1/` is the login for
 * `ghcr.io`.
 */
function findEntry(
  auths: NonNullable<Config["auths"]>,
  serverAddress: string,
): AuthEntry | undefined {
  const key = Object.hasOwn(auths, serverAddress)
    ? serverAddress
    : Object.keys(auths).find((key) => hostOf(key) === hostOf(serverAddress));
  return key === undefined ? undefined : auths[key] ?? undefined;
}

function hostOf(address: string): string {
  return address.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}

function loginOf(entry: AuthEntry, serverAddress: string): RegistryLogin | undefined {
  if (entry.identitytoken) return { identityToken: entry.identitytoken, serverAddress };
  const text = Buffer.from(String(entry.auth ?? ""), "base64").toString("utf8");
  const colon = text.indexOf(":");
  const username = colon > 0 ? text.slice(0, colon) : entry.username;
  const password = colon > 0 ? text.slice(colon + 1).replace(/\0+$/, "") : entry.password;
  return username ? { username, password: password ?? "", serverAddress } : undefined;
}
