import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { debEntries, writeDeb } from "../../scripts/releases/deb.ts";
import { manPagesOf } from "../../scripts/releases/man-pages.ts";
import { unitsOf } from "../../scripts/releases/units.ts";
import { root, temporaryFolder } from "../cli/start-program.ts";
import { needing } from "../support/needs.ts";
import { TEST_IMAGE } from "../support/test-image.ts";
import { run } from "./made-release.ts";

const { test } = needing("Docker");

const DRIVERS = ["container-start", "git-cloner", "builder", "container-stop"];

/** A package as scripts/release makes it, with a shell script in the place of the program. */
async function makePackage(folder: string, version: string, withXz: boolean): Promise<string> {
  const program = join(folder, "program");
  await writeFile(program, `#!/bin/sh\necho "${"${0##*/}"} ${version}"\n`);
  const pages = await manPagesOf(root, DRIVERS, { version, time: 1_800_000_000 });
  const units = unitsOf(DRIVERS);
  const entries = debEntries([
    { name: "bin/flutter-ci", path: program, mode: 0o755 },
    ...DRIVERS.map((driver) => ({ name: `bin/${driver}`, link: "flutter-ci" })),
    ...Object.entries(pages).map(([name, text]) => ({ name: `share/man/man1/${name}`, text })),
    ...Object.entries(units).map(([name, text]) => ({ name: `lib/systemd/system/${name}`, text })),
    { name: "share/doc/flutter-ci/LICENSE", path: join(root, "LICENSE") },
  ]);
  const name = `${version}.deb`;
  const deb = {
    version,
    architecture: "amd64",
    entries,
    units: Object.keys(units),
    time: 1_800_000_000,
    withXz,
  };
  await writeDeb(join(folder, name), deb, folder);
  return `/packages/${name}`;
}

test("the Debian package is installed, upgraded, removed and purged by dpkg, and leaves nothing", async () => {
  await using folder = await temporaryFolder();
  const older = await makePackage(folder.path, "0.1.0", false);
  const candidate = await makePackage(folder.path, "0.2.0-rc.1", false);
  const newer = await makePackage(folder.path, "0.2.0", true);
  const script = `set -eu
    say() { "$@" 2>&1 | tr '\\n' ' '; echo; }
    dpkg -i ${older} >/dev/null
    say flutter-ci; say builder
    dpkg --verify flutter-ci
    mkdir -p /etc/flutter-ci /var/lib/private/flutter-ci/up
    echo CONVEYOR_SLOTS=2 >/etc/flutter-ci/drivers.env
    dpkg -i ${candidate} >/dev/null
    dpkg-query -W -f '\${Version}\n' flutter-ci
    dpkg --refuse-downgrade -i ${newer} >/dev/null
    say container-start
    grep -h ^ExecStart= /usr/lib/systemd/system/builder@.service
    gzip -dc /usr/share/man/man1/flutter-ci-run.1.gz | sed -n 3p
    dpkg -r flutter-ci >/dev/null
    command -v flutter-ci builder || echo removed
    cat /etc/flutter-ci/drivers.env
    dpkg -P flutter-ci >/dev/null
    ls -d /etc/flutter-ci /var/lib/private/flutter-ci /usr/share/doc/flutter-ci 2>/dev/null || echo purged
    dpkg-query -s flutter-ci >/dev/null 2>&1 || echo unknown`;
  const { stdout, stderr } = await run("docker", [
    ...[
      "run",
      "--rm",
      "--network",
      "none",
      "-v",
      `${folder.path}:/packages:ro`,
      TEST_IMAGE,
      "sh",
      "-c",
      script,
    ],
  ]);
  assert.deepEqual(stdout.trimEnd().split("\n").map((line) => line.trim()), [
    "flutter-ci 0.1.0",
    "builder 0.1.0",
    "0.2.0~rc.1",
    "container-start 0.2.0",
    "ExecStart=/usr/bin/builder",
    "flutter\\-ci\\-run \\- Build a repository on this machine, once",
    "removed",
    "CONVEYOR_SLOTS=2",
    "purged",
    "unknown",
  ], stderr);
  assert.equal(stderr.replaceAll(/^debconf: .*\n/gm, ""), "");
});

test("man pages have no line that roff does not understand, and name every command", async () => {
  const pages = await manPagesOf(root, DRIVERS, { version: "0.1.0", time: 0 });
  const names = Object.keys(pages);
  for (const name of ["flutter-ci.1", "flutter-ci-run.1", "flutter-ci-up.1", "builder.1"]) {
    assert.ok(names.includes(name), names.join(" "));
  }
  const known = /^\.(?:TH|SH|TP|B|BR)(?: |$)/;
  for (const [name, text] of Object.entries(pages)) {
    for (const line of text.trimEnd().split("\n")) {
      assert.ok(!/^[.']/.test(line) || known.test(line), `${name}: ${line}`);
      assert.ok(!/\\(?![-e&])/.test(line), `${name}: ${line}`);
    }
  }
  assert.match(pages["flutter-ci-run.1"] ?? "", /^\.B \\-\\-image <image>\n.*image to build in\.$/m);
});
