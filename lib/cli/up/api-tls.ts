import { checkTlsFiles, readAuthorities } from "../../backend/nats/tls.ts";
import { systemClock } from "../../base/clock.ts";
import { processLog } from "../../base/log.ts";
import { rereadNamedFile } from "../../base/named-files.ts";
import { publicAuthorities } from "../../engine/http/certificate-chain.ts";
import { signedTokenCheck } from "../../engine/http/signed-token.ts";

/** What the TLS files mean for who calls us. */
export interface DoorTls {
  /** Shown to callers, who then use https. PEM texts. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Tells why a token is none that our authorities vouch for; undefined where it is one. */
  readonly whyNotSigned: ((token: string) => string | undefined) | undefined;
}

interface Files {
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

/** Throws InputError that says what is wrong with the files. */
export async function doorTls({ tlsCa, tlsCert, tlsKey }: Files): Promise<DoorTls> {
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

/** Authorities that sign for everybody are good for the broker's certificate; at the door they would let everybody in. */
async function signedBy(file: string): Promise<DoorTls["whyNotSigned"]> {
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
