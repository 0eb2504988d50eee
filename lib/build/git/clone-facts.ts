import { parseJson } from "../../base/json.ts";

/** What the clone script tells of a failure: facts of the kernel, of git itself and of servers, never lines of a log. */
export interface CloneFacts {
  /** git's own errors in their order. `format` is the message without its arguments: a repository has no part in it. */
  readonly errors: readonly { readonly message: string; readonly format: string }[];
  /** True where one of the disks that the clone writes to has no room for a file. */
  readonly isDiskFull: boolean;
  /** True where a URL is https and the image's git was made without it. */
  readonly lacksHttps: boolean;
  /** The last HTTP request and the status that answered it. */
  readonly http: { readonly path: string; readonly status: number } | undefined;
  /** ssh's exit code; 255 means that there was no connection, or no login. */
  readonly ssh: number | undefined;
  /** The ssh host's keys: those we know, and those it shows, as lines of a known_hosts file. */
  readonly host:
    | { readonly name: string; readonly port: string; known: readonly string[]; offers: readonly string[] }
    | undefined;
  /** The submodule that is missing: its path, its full URL, and the URL as the repository has it. */
  readonly submodule: { readonly path: string; readonly url: string; readonly says: string } | undefined;
}

/** Less than this is no room, KiB: a disk in use never gets to nothing at all. */
const LEAST_BLOCKS = 1024;
/** The kernel's answer, at the end of git's own text; the last is what git says of a write of nothing. */
const NO_SPACE = /(?:: (?:No space left on device|Disk quota exceeded|Quota exceeded)|\. Out of diskspace)$/;

/** Reads the script's lines `name=value`. What makes no sense is left out. */
export function parseFacts(text: string): CloneFacts {
  const lines = text.split("\n").flatMap((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [] : [{ name: line.slice(0, at), value: line.slice(at + 1) }];
  });
  const all = (wanted: string) => lines.filter(({ name }) => name === wanted).map(({ value }) => value);
  const [ssh, host, path] = ["ssh", "host", "submodule"].map((name) => all(name)[0]);
  const errors = all("error").flatMap(errorOf);
  const [name = "", port = ""] = host?.split(" ") ?? [];
  return {
    errors,
    isDiskFull: errors.some(({ format }) => NO_SPACE.test(format)) ||
      all("blocks").some((line) => isUsedUp(line, LEAST_BLOCKS)) ||
      all("inodes").some((line) => isUsedUp(line, 1)),
    lacksHttps: all("no-https").length > 0,
    http: httpOf(all("http")),
    ssh: ssh === undefined || !/^\d+$/.test(ssh) ? undefined : Number(ssh),
    host: host === undefined
      ? undefined
      : { name, port, known: all("host-known"), offers: all("host-offers") },
    submodule: path === undefined
      ? undefined
      : { path, url: all("submodule-url")[0] ?? "", says: all("submodule-says")[0] ?? "" },
  };
}

function errorOf(line: string): CloneFacts["errors"] {
  try {
    const { msg, fmt } = parseJson(line) as { msg?: unknown; fmt?: unknown };
    return typeof msg === "string" && typeof fmt === "string" ? [{ message: msg, format: fmt }] : [];
  } catch {
    return [];
  }
}

/** A line of `df -P`: a device, the total, used, free, the share and a folder. No total means that the disk does not count. */
function isUsedUp(line: string, least: number): boolean {
  const words = line.split(/\s+/);
  const at = words.findIndex((word, i) => i > 3 && /^(?:\d+%|-)$/.test(word));
  const [total, free] = [Number(words[at - 3]), Number(words[at - 1])];
  return total > 0 && free < least;
}

function httpOf(lines: readonly string[]): CloneFacts["http"] {
  const path = /=> Send header: (?:GET|POST) (\S+)/.exec(lines[0] ?? "")?.[1];
  const status = /<= Recv header: HTTP\/[0-9.]+ (\d{3})/.exec(lines[1] ?? "")?.[1];
  return path === undefined || status === undefined ? undefined : { path, status: Number(status) };
}
