import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../cli/start-program.ts";

/** What docs/install.md tells a reader to type, by the headings of its sections. */
export async function commandsOfPage(): Promise<Map<string, string[]>> {
  const sections = (await readFile(join(root, "docs/install.md"), "utf8")).split(/^#+ /m).slice(1);
  return new Map(sections.map((text) => {
    const commands = Array.from(text.matchAll(/^\$ (.*)$/gm), ([, command = ""]) => command);
    return [text.slice(0, text.indexOf("\n")), commands];
  }));
}

/** What stands on the page for something of the reader's, and what it is here. */
export interface Reader {
  readonly url: string;
  readonly version: string;
  readonly image: string;
  readonly repository: string;
}

/** A command of the page as this reader types it. */
export const typedBy = ({ url, version, image, repository }: Reader, command: string): string =>
  command.replace("https://downloads.example.com/flutter-ci", url).replace("gcc:14", image)
    .replace("https://git.example.com/app.git", repository).replaceAll("0.1.0", version);

/**
 * A script that follows the page, on Debian, in a folder with `release.pub`, `KEY.pub` and nothing else. Says
 * where it is.
 */
export function scriptOf(page: Map<string, string[]>, reader: Reader): string {
  const { url, version } = reader;
  const typed = (section: string, from = 0, to?: number) =>
    (page.get(section) ?? []).slice(from, to).map((command) => typedBy(reader, command)).join("\n");
  const get = (...names: string[]) => names.map((name) => `wget -q ${url}/${name}`).join("\n");
  return `set -eu
${get("install.sh")}
${typed("In five minutes", 0, 2)}
builder --version
sh install.sh --uninstall
! command -v flutter-ci
${get(`flutter-ci_${version}_amd64.deb`)}
${typed("In five minutes", 2, 3)}
builder --version
dpkg -P flutter-ci
! command -v flutter-ci
${get("SHA256SUMS", `flutter-ci-${version}-linux-x64.tar.gz`)}
${typed("In five minutes", 3)}
/opt/flutter-ci-${version}-linux-x64/bin/builder --version
${get("SHA256SUMS.sig")}
${typed("Who made it")}
`;
}

/**
 * A script that follows what the page says of services, on a machine with systemd, and says which units are
 * active.
 */
export function serviceScriptOf(
  page: Map<string, string[]>,
  text: string,
  { nats, api, group }: { nats: string; api: string; group: number },
): string {
  const commands = (page.get("As a service") ?? []).map((command) =>
    command.replace("nats://broker.example.com:4222", nats)
  );
  const [, edited = ""] = /^\$ systemctl edit builder@\n([^`]*)```/m.exec(text) ?? [];
  const enable = commands.findIndex((command) => command.startsWith("systemctl enable"));
  const instances = commands[enable]?.split(" ").slice(3).join(" ") ?? "";
  return `set -eu
groupadd -o -g ${group} docker
ln -s /docker.sock /run/docker.sock
sh /release/install.sh --from /release
${commands.slice(0, enable - 1).join("\n")}
printf '%s\\n' CONVEYOR_NATS=${nats} CONVEYOR_DRIVERS=none CONVEYOR_LISTEN=${api} >/etc/flutter-ci/up.env
(umask 077; cp /release/builder.creds /etc/flutter-ci/builder.creds)
for unit in flutter-ci-up container-start@ git-cloner@ builder@ container-stop@; do
  mkdir -p /etc/systemd/system/$unit.service.d
  cat >/etc/systemd/system/$unit.service.d/override.conf <<'TEXT'
${edited}TEXT
done
${commands[enable - 1]}
systemctl start flutter-ci-up
${commands[enable]}
systemctl is-active flutter-ci-up ${instances}
`;
}
