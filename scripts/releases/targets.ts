import { existsSync } from "node:fs";

/** A system that programs are made for. */
export interface Target {
  /** As it stands in the names of archives: `linux-x64-musl`. */
  readonly name: string;
  /** What `bun build --target` calls it. */
  readonly bun: string;
  /** The npm package that holds Bun for it. */
  readonly runtime: string;
  /** Subresource integrity of that package, so that what was fetched is what was meant. */
  readonly integrity: string;
}

/** The release of Bun whose runtimes are in the programs. */
export const BUN_VERSION = "1.4.5";

/** x64 is `baseline`: it starts also on processors without AVX2. */
export const TARGETS: readonly Target[] = [
  target(
    "linux-x64",
    "linux-x64-baseline",
    "s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==",
  ),
  target(
    "linux-arm64",
    "linux-aarch64",
    "4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
  ),
  target(
    "linux-x64-musl",
    "linux-x64-musl-baseline",
    "cWJhU8h0+MiUgpSt99sQhjxLIIosKEcKYdtKddohokUvAuN6jKOy7g7+QDTZTXtwHxz93wL3BX+L6wXVPDUH3A==",
  ),
  target(
    "linux-arm64-musl",
    "linux-aarch64-musl",
    "XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==",
  ),
  target(
    "darwin-x64",
    "darwin-x64-baseline",
    "zqfLA5A4B+hYMh5WYzYSot3uZ06FzhdP0OEwQisEzdirYtXGj5cQFlfy31BGfNsAsk1Gd/w/OxJ/jqqJ3cMclw==",
  ),
  target(
    "darwin-arm64",
    "darwin-aarch64",
    "4MIFXHmctH2EhAxLXm2/qxNtv17dFtLJylvaOCsrgq6KSqHTs6eW5YSrJjRbJxYUJaR901fsN8JfZOa+CsWpWQ==",
  ),
];

/** The target of that name. Throws RangeError that lists them all. */
export function targetOf(name: string): Target {
  const found = TARGETS.find((target) => target.name === name);
  if (found) return found;
  throw new RangeError(
    `Unknown target "${name}": expected ${TARGETS.map((target) => target.name).join(", ")}`,
  );
}

/** The name of the target that this machine is. */
export function hostName(): string {
  const { platform, arch } = process;
  const isMusl = platform === "linux" &&
    existsSync(`/lib/ld-musl-${arch === "x64" ? "x86_64" : "aarch64"}.so.1`);
  return `${platform}-${arch}${isMusl ? "-musl" : ""}`;
}

function target(name: string, runtime: string, integrity: string): Target {
  return { name, bun: `bun-${runtime}`, runtime: `@oven/bun-${runtime}`, integrity: `sha512-${integrity}` };
}
