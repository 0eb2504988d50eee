import { readFileSync, statSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Entry, writeArchive } from "./archive.ts";

export interface DebPackage {
  /** As the release has it: `0.2.0-rc.1`. */
  readonly version: string;
  /** As Debian calls it: `amd64`. */
  readonly architecture: string;
  /** What is installed; names begin below `/`. */
  readonly entries: readonly Entry[];
  /** Units whose instances stop before the programs are removed. */
  readonly units: readonly string[];
  /** Of all files, in seconds. */
  readonly time: number;
  /** Whether what is installed is compressed by xz. */
  readonly withXz: boolean;
}

/** Debian's names of the targets that packages are made for: those with glibc. */
export const DEB_ARCHITECTURES: Readonly<Record<string, string>> = {
  "linux-x64": "amd64",
  "linux-arm64": "arm64",
};

/**
 * Returns dpkg's form of a version: `0.2.0~rc.1`, which is older than `0.2.0`. After a `-`, dpkg would read a
 * revision, which is newer.
 */
function debVersion(version: string): string {
  const [release = "", ...rest] = version.split("-");
  return rest.length === 0 ? release : `${release}~${rest.join(".")}`;
}

/** Writes a Debian package: an `ar` archive of two tar archives. `work` is a folder for parts of it. */
export async function writeDeb(path: string, deb: DebPackage, work: string): Promise<void> {
  const { entries, time, withXz, architecture } = deb;
  const kind = withXz ? "tar.xz" : "tar.gz";
  const [control, data] = [join(work, "control.tar.gz"), join(work, `data.${kind}`)];
  await writeArchive(data, kind, withFolders(entries), { time, isX86: architecture === "amd64" });
  await writeArchive(control, "tar.gz", controlOf(deb), { time });
  const members = [
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", readFileSync(control)],
    [`data.${kind}`, readFileSync(data)],
  ] as const;
  const parts = [
    "!<arch>\n",
    ...members.flatMap((
      [name, bytes],
    ) => [headerOf(name, bytes.length, time), bytes, bytes.length % 2 ? "\n" : ""]),
  ];
  await writeFile(`${path}.part`, Buffer.concat(parts.map((part) => Buffer.from(part))));
  await rename(`${path}.part`, path);
}

/** A member's header: fields of fixed width. */
function headerOf(name: string, size: number, time: number): string {
  const fields = [name.padEnd(16), `${time}`.padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
  return `${fields.join("")}${`${size}`.padEnd(10)}\`\n`;
}

/** dpkg wants each folder before what is in it, as `./usr/bin/`. */
function withFolders(entries: readonly Entry[]): Entry[] {
  const folders = new Set<string>();
  for (const { name } of entries) {
    for (let folder = dirname(name); folder !== "."; folder = dirname(folder)) folders.add(folder);
  }
  return [
    { name: "./", folder: true, mode: 0o755 },
    ...[...folders].map((name): Entry => ({ name: `./${name}/`, folder: true, mode: 0o755 })),
    ...entries.map((entry) => ({ ...entry, name: `./${entry.name}` })),
  ];
}

function controlOf({ version, architecture, entries, units }: DebPackage): Entry[] {
  const kib = Math.ceil(entries.reduce((sum, entry) => sum + sizeOf(entry), 0) / 1024);
  const control = `Package: flutter-ci
Version: ${debVersion(version)}
Section: devel
Priority: optional
Architecture: ${architecture}
Maintainer: The Conveyor drivers authors <conveyor-drivers@users.noreply.github.com>
Installed-Size: ${kib}
Depends: libc6 (>= 2.17)
Recommends: docker.io | docker-ce, ca-certificates
Description: builds git repositories in containers, one at a time or in a fleet
 The command flutter-ci, the drivers container-start, git-cloner, builder and
 container-stop, and systemd units for them and for the control plane.
`;
  const reload = "[ ! -d /run/systemd/system ] || systemctl daemon-reload >/dev/null 2>&1 || :\n";
  const running = units.map((unit) => `'${unit.replace("@.service", "@*.service")}'`).join(" ");
  return [
    { name: "./control", text: control },
    { name: "./postinst", mode: 0o755, text: `#!/bin/sh\nset -e\n${reload}` },
    {
      // An upgrade stops nothing: what runs keeps the program that it was started with, until it is
      // restarted.
      name: "./prerm",
      mode: 0o755,
      text:
        `#!/bin/sh\nset -e\n[ "$1" = remove ] && [ -d /run/systemd/system ] || exit 0\nsystemctl stop ${running} >/dev/null 2>&1 || :\n`,
    },
    {
      name: "./postrm",
      mode: 0o755,
      text:
        `#!/bin/sh\nset -e\n${reload}[ "$1" = purge ] || exit 0\nrm -rf /etc/flutter-ci /var/lib/flutter-ci /var/lib/private/flutter-ci\n`,
    },
  ];
}

function sizeOf(entry: Entry): number {
  if ("path" in entry) return statSync(entry.path).size;
  return "text" in entry ? Buffer.byteLength(entry.text) : 0;
}

/**
 * What is in the package, from what is in the archive of the release: below `/usr`, in the folders that
 * Debian has for it.
 */
export function debEntries(entries: readonly Entry[]): Entry[] {
  return entries.map((entry): Entry => {
    const name = `usr/${entry.name}`.replace("share/zsh/site-functions", "share/zsh/vendor-completions")
      .replace(/doc\/flutter-ci\/LICENSE$/, "doc/flutter-ci/copyright");
    if ("text" in entry && name.includes("/systemd/")) {
      return { ...entry, name, text: entry.text.replaceAll("/usr/local/", "/usr/") };
    }
    if ("text" in entry && name.includes("/man/")) {
      return { name: `${name}.gz`, bytes: gzipSync(entry.text, { level: 9 }) };
    }
    return { ...entry, name };
  });
}
