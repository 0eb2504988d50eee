import { parseJson } from "../../base/json.ts";

/**
 * Facts about a failure from the clone script. They come from the kernel, git itself and servers, never from
 * lines of a log.
 */
export interface CloneFacts {
  /**
   * git's own errors, in order. `format` is the message without its arguments, so a repository cannot
   * influence it.
   */
  readonly errors: readonly { readonly message: string; readonly format: string }[];
  /** Whether a disk that the clone writes to has no room for a file. */
  readonly isDiskFull: boolean;
  /** Whether a URL is https but the image's git lacks https support. */
  readonly lacksHttps: boolean;
  /** The last HTTP request and its response status. */
  readonly http: { readonly path: string; readonly status: number } | undefined;
  /** ssh's exit code; 255 means a failed connection or login. */
  readonly ssh: number | undefined;
  /** The ssh host's keys, known and offered, as lines of a known_hosts file. */
  readonly host:
    | { readonly name: string; readonly port: string; known: readonly string[]; offers: readonly string[] }
    | undefined;
  /** Why there is no content of Git LFS. */
  readonly lfs: {
    /** Where it was looked for; empty if the repository came from no URL. */
    readonly url: string | undefined;
    /** The command that failed, with its exit code and its last lines. */
    readonly failed: { readonly command: string; readonly code: number } | undefined;
    readonly said: readonly string[];
    /** Files whose content is missing, of how many, and one of them. */
    readonly missing: { readonly count: number; readonly of: number; readonly name: string } | undefined;
  };
  /**
   * What is wrong with a signature: the commit that has none, the one whose signature is not accepted and by
   * which set of signers, or the program that is missing (`user` if the user has no name).
   */
  readonly signature: {
    readonly unsigned: string | undefined;
    readonly unverified: string | undefined;
    readonly by: number;
    readonly tool: string | undefined;
  };
  /** The missing submodule: its path, its full URL, and its URL as written in the repository. */
  readonly submodule: { readonly path: string; readonly url: string; readonly says: string } | undefined;
}

/** Most lines of a command that a failure shows. */
const MOST_SAID = 3;
/** Least free space that counts as room, KiB. A disk in use never reaches zero. */
const LEAST_BLOCKS = 1024;
/**
 * The kernel's error at the end of git's message. The last alternative is git's own text for a write of zero
 * bytes.
 */
const NO_SPACE = /(?:: (?:No space left on device|Disk quota exceeded|Quota exceeded)|\. Out of diskspace)$/;

/** Parses the script's lines `name=value`. Ignores lines that it cannot parse. */
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
    lfs: {
      url: all("lfs-url")[0],
      failed: failedOf(all("lfs-failed")[0]),
      said: all("lfs-said").slice(0, MOST_SAID),
      missing: missingOf(all("lfs-missing")[0]),
    },
    signature: {
      unsigned: all("unsigned")[0],
      unverified: all("unverified")[0],
      by: Number(all("unverified-by")[0] ?? 0),
      tool: all("signature-tool")[0],
    },
    submodule: path === undefined
      ? undefined
      : { path, url: all("submodule-url")[0] ?? "", says: all("submodule-says")[0] ?? "" },
  };
}

function failedOf(line = ""): CloneFacts["lfs"]["failed"] {
  const [, code, command = ""] = /^(\d+) (.+)$/.exec(line) ?? [];
  return code === undefined ? undefined : { command, code: Number(code) };
}

function missingOf(line = ""): CloneFacts["lfs"]["missing"] {
  const [, count, of, name = ""] = /^(\d+) (\d+) (.*)$/.exec(line) ?? [];
  return Number(count) > 0 ? { count: Number(count), of: Number(of), name } : undefined;
}

function errorOf(line: string): CloneFacts["errors"] {
  try {
    const { msg, fmt } = parseJson(line) as { msg?: unknown; fmt?: unknown };
    return typeof msg === "string" && typeof fmt === "string" ? [{ message: msg, format: fmt }] : [];
  } catch {
    return [];
  }
}

/**
 * Whether a line of `df -P` shows less than `least` free. Its columns are device, total, used, free, share
 * and folder. A disk without a total does not count.
 */
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
