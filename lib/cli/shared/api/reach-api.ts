import { InputError, UnavailableError } from "../../../base/errors.ts";
import { isLoopback } from "../../../engine/http/hosts.ts";
import { dataFolder } from "../../../driver/program/data-folder.ts";
import type { Environment } from "../../../driver/program/command-line/environment.ts";
import { readInputFile } from "../../../driver/program/command-line/read-input-file.ts";
import type { Api } from "./call.ts";
import { givenToken, tokenOf } from "./token.ts";

export interface ApiOptions {
  readonly api: string;
  readonly tokenFile?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly data?: string | undefined;
}

/**
 * The control plane that the flags name, and the token for it: the one given, else for one on this machine that of the data
 * folder. Over https its certificate says who it is; over plain HTTP it has to prove that it knows the token, and requests are
 * sealed with it. Throws InputError, UnavailableError.
 */
export async function reachApi(options: ApiOptions, environment: Environment): Promise<Api> {
  const { api: url, tokenFile, tlsCa } = options;
  const folder = dataFolder(options.data, environment);
  const isHere = isLoopback(new URL(url).hostname);
  const token = await givenToken(tokenFile, environment) ?? (isHere ? await tokenOf(folder) : undefined);
  if (token === undefined) {
    const looked = isHere ? `, and none in "${folder}"` : "";
    throw new UnavailableError(`No token for the control plane at "${url}" was given${looked}`, {
      hint:
        'Give one with --token-file or CONVEYOR_TOKEN, or start a control plane here with "flutter-ci up"',
    });
  }
  const isSealed = !url.startsWith("https:");
  if (isSealed && /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(token)) {
    throw new InputError(
      `The control plane at "${url}" cannot prove that it knows a signed token: expected an https URL for it`,
    );
  }
  return {
    url,
    token,
    isSealed,
    ca: tlsCa === undefined ? undefined : await readInputFile("--tls-ca", tlsCa),
  };
}
