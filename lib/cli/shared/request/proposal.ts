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
}

/** Returns how to build a repository, from the files in it. Nothing of it is run. */
export function proposalFor(files: Files): Proposal {
  const [mark, propose] = Object.entries(PROPOSALS).find(([name]) => files.has(name)) ?? [];
  return mark !== undefined && propose
    ? { mark, artifacts: [], ...propose(files) }
    : { mark: undefined, image: "debian:12", commands: ["make"], artifacts: [] };
}

type Build = Pick<Proposal, "image" | "commands"> & Partial<Pick<Proposal, "artifacts">>;

/** By the file that marks them; the first one that is there counts. */
const PROPOSALS: Readonly<Record<string, (files: Files) => Build>> = {
  "pubspec.yaml": () => ({
    image: "ghcr.io/cirruslabs/flutter:3.38.5",
    commands: ["flutter pub get", "flutter build apk --release"],
    artifacts: ["build/app/outputs/flutter-apk/*.apk"],
  }),
  "package.json": (files) => {
    const [install, run] = packageManager(files);
    const scripts = ["build", "test"].filter((script) => scriptsOf(files).includes(script));
    return {
      image: "node:24",
      commands: [install, ...scripts.map((script) => `${run} ${script}`)],
    };
  },
  "go.mod": (files) => {
    const version = /^go (\d+\.\d+)/m.exec(files.read("go.mod") ?? "")?.[1] ?? "1";
    return { image: `golang:${version}`, commands: ["go build ./...", "go test ./..."] };
  },
  "Cargo.toml": () => ({ image: "rust:1", commands: ["cargo build --release", "cargo test --release"] }),
  "pyproject.toml": () => ({
    image: "python:3.13",
    commands: ["pip install . pytest && pytest"],
  }),
  "Makefile": () => ({ image: "gcc:14", commands: ["make"] }),
};

function packageManager(files: Files): [install: string, run: string] {
  if (files.has("pnpm-lock.yaml")) {
    return ["corepack enable && pnpm install --frozen-lockfile", "pnpm run"];
  }
  if (files.has("yarn.lock")) return ["corepack enable && yarn install --immutable", "yarn run"];
  return [files.has("package-lock.json") ? "npm ci" : "npm install", "npm run"];
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
