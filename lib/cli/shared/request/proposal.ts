import { parseJson } from "../../../base/json.ts";

/** The files of a repository, by path from its top. */
export interface Files {
  has(name: string): boolean;
  /** The text of a file; undefined if there is none. */
  read(name: string): string | undefined;
}

/** How a repository can probably be built. */
export interface Proposal {
  /** The file by which it was recognised; undefined if none was. */
  readonly mark: string | undefined;
  readonly image: string;
  readonly commands: readonly string[];
  readonly artifacts: readonly string[];
  /** Folders of the image's tools that are worth keeping, by the names of their caches. */
  readonly caches: Readonly<Record<string, string>>;
  /** Variables that lead the tools to these folders. */
  readonly env: Readonly<Record<string, string>>;
}

/** Returns how to build a repository, from the files in it. Nothing of it is run. */
export function proposalFor(files: Files): Proposal {
  const [mark, propose = proposeMake] = Object.entries(PROPOSALS).find(([name]) => files.has(name)) ?? [];
  return { mark, artifacts: [], caches: {}, env: {}, ...propose(files) };
}

type Build = Pick<Proposal, "image" | "commands"> & Partial<Omit<Proposal, "mark">>;

/** The image has git, a compiler and make. */
const proposeMake = (): Build => ({ image: "gcc:14", commands: ["make"] });

/** By the file that marks them; the first one that is there counts. */
const PROPOSALS: Readonly<Record<string, (files: Files) => Build>> = {
  "pubspec.yaml": () => ({
    image: "ghcr.io/cirruslabs/flutter:3.38.5",
    commands: ["flutter pub get", "flutter build apk --release"],
    artifacts: ["build/app/outputs/flutter-apk/*.apk"],
    caches: { pub: "/root/.pub-cache", gradle: "/root/.gradle" },
  }),
  "package.json": (files) => {
    const { install, run, ...kept } = packageManager(files);
    const scripts = ["build", "test"].filter((script) => scriptsOf(files).includes(script));
    return {
      image: "node:24",
      commands: [install, ...scripts.map((script) => `${run} ${script}`)],
      ...kept,
    };
  },
  "go.mod": (files) => {
    const version = /^go (\d+\.\d+)/m.exec(files.read("go.mod") ?? "")?.[1] ?? "1";
    return {
      image: `golang:${version}`,
      commands: ["go build ./...", "go test ./..."],
      caches: { "go-build": "/root/.cache/go-build", "go-mod": "/go/pkg/mod" },
    };
  },
  "Cargo.toml": () => ({
    image: "rust:1",
    commands: ["cargo build --release", "cargo test --release"],
    caches: { crates: "/usr/local/cargo/registry" },
  }),
  "pyproject.toml": () => ({
    image: "python:3.13",
    commands: ["pip install . pytest && pytest"],
    caches: { pip: "/root/.cache/pip" },
  }),
  "Makefile": proposeMake,
  "GNUmakefile": proposeMake,
  "makefile": proposeMake,
};

function packageManager(
  files: Files,
): Pick<Proposal, "caches" | "env"> & { install: string; run: string } {
  if (files.has("pnpm-lock.yaml")) {
    const [install, run] = ["corepack enable && pnpm install --frozen-lockfile", "pnpm run"];
    // Its own place is on the same disk as the sources: in the workspace.
    const store = "/var/cache/pnpm";
    return { install, run, caches: { pnpm: store }, env: { npm_config_store_dir: store } };
  }
  if (files.has("yarn.lock")) {
    const [install, run] = ["corepack enable && yarn install --immutable", "yarn run"];
    return { install, run, caches: {}, env: {} };
  }
  const install = files.has("package-lock.json") ? "npm ci" : "npm install";
  return { install, run: "npm run", caches: { npm: "/root/.npm" }, env: {} };
}

function scriptsOf(files: Files): string[] {
  try {
    const manifest = parseJson(files.read("package.json") ?? "{}");
    const scripts = typeof manifest === "object" && manifest !== null && "scripts" in manifest &&
      manifest.scripts;
    return typeof scripts === "object" && scripts !== null ? Object.keys(scripts) : [];
  } catch {
    return [];
  }
}
