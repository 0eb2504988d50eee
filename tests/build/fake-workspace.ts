import { Buffer } from "node:buffer";
import { posix } from "node:path";
import type { ExecSpec } from "../../lib/docker/docker.ts";
import { nameBytes } from "../../lib/build/artifacts/file-name.ts";
import { type Entry, tarOf } from "./tar-bytes.ts";

/** A file, by its text; a link to a path; or a second name of the file at another path. */
export type Node = string | { readonly link: string } | { readonly sameAs: string };

export interface WorkspaceOptions {
  /** Whether the container has tar; without it, files come from Docker (default true). */
  readonly hasTar?: boolean;
  /** Folders of which find cannot read all. */
  readonly unreadable?: readonly string[];
  /** Files that are not there any more when they are read. */
  readonly gone?: readonly string[];
  /** What their text has become when they are read. */
  readonly changed?: Readonly<Record<string, string>>;
  /** Files whose size stat does not tell. */
  readonly unsized?: readonly string[];
  /** Changes what the container sends as an archive. */
  readonly archive?: (bytes: Buffer) => Buffer;
  /** What the container sends after an archive. */
  readonly rest?: () => Iterable<Uint8Array>;
}

const TOP = "/workspace";

/** Returns a path with a character for each byte: `node:path` of Bun changes what is not UTF-8. */
const asBytes = (path: string): string => Buffer.from(nameBytes(path)).toString("latin1");
/** The reverse, for paths that are UTF-8. */
const asText = (path: string): string => Buffer.from(path, "latin1").toString("utf8");

/**
 * A container's workspace in memory. It answers the questions of the script that keeps artifacts as that
 * script does, and gives archives as tar and Docker do. Paths that are not absolute are below the workspace.
 */
export class FakeWorkspace {
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #options: WorkspaceOptions;
  /** How many sessions have begun, and how many have read all of their input. */
  readonly sessions = { begun: 0, ended: 0 };

  constructor(nodes: Readonly<Record<string, Node>>, options: WorkspaceOptions = {}) {
    this.#nodes = new Map(
      Object.entries(nodes).map(([path, node]) => [posix.resolve(TOP, asBytes(path)), node]),
    );
    this.#options = options;
  }

  /** Answers a session's input until that ends. */
  async *session({ command, stdin }: ExecSpec): AsyncGenerator<Uint8Array> {
    const [folder = TOP, skipped = ""] = command.slice(5);
    this.sessions.begun++;
    const { hasTar = true } = this.#options;
    yield textsOf(hasTar ? "tar" : "none", TOP);
    let waiting = "";
    let isSending = false;
    for await (const chunk of stdin ?? []) {
      waiting += Buffer.from(chunk).toString("latin1");
      while (!isSending && waiting.includes("\n")) {
        const line = waiting.slice(0, waiting.indexOf("\n"));
        waiting = waiting.slice(line.length + 1);
        const [, how, name = ""] = /^(what|list) (.*)$/.exec(line) ?? [];
        if (line === "send") isSending = true;
        else if (how) yield this.#answer(how, posix.join(folder, name), skipped);
      }
    }
    this.sessions.ended++;
    const { archive = (bytes) => bytes, rest = () => [] } = this.#options;
    if (!isSending || !hasTar) return;
    yield archive(this.#tar(waiting.split("\0").filter((path) => path !== "")));
    yield* rest();
  }

  /** Docker's archive of a path: all names begin with its last segment. */
  copyOut(whole: string): AsyncIterable<Uint8Array> | undefined {
    const path = asBytes(whole);
    const below = [...this.#nodes.keys()].filter((one) => one === path || one.startsWith(`${path}/`))
      .filter((one) => !this.#isGone(one));
    if (below.length === 0) return undefined;
    const { archive = (bytes) => bytes } = this.#options;
    const folder = posix.dirname(path);
    const bytes = archive(tarOf(...below.flatMap((one) => this.#entry(one, posix.relative(folder, one)))));
    return (async function* () {
      yield bytes;
    })();
  }

  #answer(how: string, path: string, skipped: string): Uint8Array {
    const real = this.#resolved(path);
    if (this.#isFolder(real)) {
      const isListed = how === "list" && `${real}/`.startsWith(`${TOP}/`);
      return textsOf("folder", real, ...isListed ? this.#listing(real, skipped) : []);
    }
    const text = this.#text(real);
    if (text !== undefined) {
      return textsOf("file", real, this.#isIn("unsized", real) ? "" : `${Buffer.byteLength(text)}`);
    }
    return textsOf(typeof this.#nodes.get(path) === "object" ? "dangling" : "nothing");
  }

  #listing(folder: string, skipped: string): string[] {
    const below = [...this.#nodes].filter(([path]) => folder === "/" || path.startsWith(`${folder}/`))
      .map(([path, node]) => ({ path, name: `./${posix.relative(folder, path)}`, node }))
      .filter(({ name }) => skipped === "" || !name.split("/").includes(skipped));
    const files = below.filter(({ node }) => typeof node === "string" || "sameAs" in node);
    const sizes = files.filter(({ path }) => !this.#isIn("unsized", path))
      .map(({ path, name }) => `${Buffer.byteLength(this.#text(path) ?? "")} ${name}\n`);
    const links = below.filter(({ node }) => typeof node === "object" && "link" in node);
    const named = (of: { name: string }[]) => [...of.map(({ name }) => name), ""];
    return [...named(files), sizes.join(""), ...named(links), this.#isIn("unreadable", folder) ? "1" : "0"];
  }

  #tar(paths: readonly string[]): Buffer {
    const sent = new Set<string>();
    const entries = paths.flatMap((path): Entry[] => {
      const whole = posix.join(TOP, path);
      if (this.#isGone(whole)) return [];
      const node = this.#nodes.get(whole);
      const [first] = typeof node === "object" && "sameAs" in node
        ? [posix.resolve(TOP, asBytes(node.sameAs))]
        : [whole];
      const link = [...sent].find((other) => other === first);
      sent.add(first);
      return link === undefined
        ? this.#entry(whole, path)
        : [{ name: asText(path), type: "1", link: asText(posix.relative(TOP, link)) }];
    });
    return tarOf(...entries);
  }

  #entry(path: string, bytes: string): Entry[] {
    const name = asText(bytes);
    const { changed = {} } = this.#options;
    const node = this.#nodes.get(path);
    if (typeof node === "object" && "link" in node) return [{ name, type: "2", link: node.link }];
    const text = changed[asText(posix.relative(TOP, path))] ?? this.#text(path);
    return text === undefined ? [] : [{ name, text, mode: name.endsWith(".sh") ? 0o755 : 0o644 }];
  }

  #text(path: string): string | undefined {
    const node = this.#nodes.get(path);
    if (typeof node !== "object") return node;
    return "sameAs" in node ? this.#text(posix.resolve(TOP, asBytes(node.sameAs))) : undefined;
  }

  #isFolder(path: string): boolean {
    return path === TOP || [...this.#nodes.keys()].some((other) => other.startsWith(`${path}/`));
  }

  #isGone(path: string): boolean {
    return this.#isIn("gone", path);
  }

  #isIn(option: "gone" | "unreadable" | "unsized", path: string): boolean {
    return this.#options[option]?.some((one) => posix.resolve(TOP, asBytes(one)) === path) ?? false;
  }

  /** The path without links. */
  #resolved(path: string, follows = 8): string {
    const segments = posix.resolve(path).split("/").slice(1);
    for (let i = 1; i <= segments.length; i++) {
      const part = `/${segments.slice(0, i).join("/")}`;
      const node = this.#nodes.get(part);
      if (typeof node !== "object" || !("link" in node) || follows === 0) continue;
      const to = posix.resolve(posix.dirname(part), asBytes(node.link), ...segments.slice(i));
      return this.#resolved(to, follows - 1);
    }
    return `/${segments.join("/")}`;
  }
}

const textsOf = (...texts: string[]): Uint8Array =>
  Buffer.from(texts.map((text) => `${text}\0`).join(""), "latin1");
