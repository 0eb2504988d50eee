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
 * Returns the control plane that the flags name, and its token: the given one, or for a loopback address the
 * one in the data folder. Over https the certificate authenticates the server. Over plain HTTP the server has
 * to prove that it knows the token, and requests are sealed with the token. Throws InputError and
 * UnavailableError.
 */
export async function reachApi(options: ApiOptions, environment: Environment): Promise<Api> {
  const { api: url, tokenFile, tlsCa } = options;
  const isHere = isLoopback(new URL(url).hostname);
  const token = await givenToken(tokenFile, environment) ??
    (isHere ? await tokenOf(dataFolder(options.data, environment)) : undefined);
  if (token === undefined) {
    const looked = isHere ? `, and none in "${dataFolder(options.data, environment)}"` : "";
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
