import { checkTlsFiles, readAuthorities } from "../../backend/nats/tls.ts";
import { systemClock } from "../../base/clock.ts";
import { processLog } from "../../base/log.ts";
import { rereadNamedFile } from "../../base/named-files.ts";
import { publicAuthorities } from "../../engine/http/certificate-chain.ts";
import { signedTokenCheck } from "../../engine/http/signed-token.ts";

/** The API's TLS settings from the TLS files. */
export interface ApiTls {
  /** The API's certificate and key, PEM; undefined for plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /**
   * Returns why a signed token is rejected, or undefined if it is valid. Undefined if no signed tokens are
   * accepted.
   */
  readonly whyNotSigned: ((token: string) => string | undefined) | undefined;
}

interface Files {
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

/** Reads and checks the TLS files. Throws InputError if they are invalid. */
export async function apiTls({ tlsCa, tlsCert, tlsKey }: Files): Promise<ApiTls> {
  await checkTlsFiles({
    ...tlsCa !== undefined && { ca: tlsCa },
    ...tlsCert !== undefined && { cert: tlsCert },
    ...tlsKey !== undefined && { key: tlsKey },
  }, systemClock());
  const tls = tlsCert === undefined || tlsKey === undefined
    ? undefined
    : { cert: await rereadNamedFile(tlsCert), key: await rereadNamedFile(tlsKey) };
  return { tls, whyNotSigned: tlsCa === undefined ? undefined : await signedBy(tlsCa) };
}

/**
 * Returns the check for tokens signed under the file's authorities. Ignores public authorities: they suit the
 * broker's certificate, but they sign for everybody, so anybody could call the API.
 */
async function signedBy(file: string): Promise<ApiTls["whyNotSigned"]> {
  const all = await readAuthorities(file);
  const open = publicAuthorities(all);
  const authorities = all.filter((one) => !open.includes(one));
  if (open.length > 0) {
    processLog("up").warn(
      "Accepts no token that is signed by a certificate of the {count} public authorities in {file}",
      { count: open.length, file },
    );
  }
  return authorities.length === 0 ? undefined : signedTokenCheck({ authorities, clock: systemClock });
}
