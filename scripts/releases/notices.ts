import type { Package } from "./packages.ts";
import { BUN_VERSION } from "./targets.ts";

const RULE = "=".repeat(80);

/** What Bun links statically, with licences, as its own LICENSE.md lists them. */
const IN_BUN = [
  ["JavaScriptCore and WebKit", "LGPL-2.1"],
  ["BoringSSL", "OpenSSL, ISC and others"],
  ["brotli, ls-hpack, ls-qpack, lsquic, mimalloc, c-ares, libdeflate, uucode", "MIT"],
  ["picohttpparser", "MIT or Artistic"],
  ["lol-html, libwebp", "BSD-3-Clause"],
  ["libbase64, libspng", "BSD-2-Clause"],
  ["zstd", "BSD-3-Clause or GPL-2.0"],
  ["simdutf, uSockets, uWebSockets, highway, parts of TigerBeetle", "Apache-2.0"],
  ["tinycc", "LGPL-2.1"],
  ["zlib-ng", "Zlib"],
  ["libarchive", "BSD-2-Clause and others"],
  ["libjpeg-turbo", "BSD-3-Clause, IJG and Zlib"],
  ["ICU", "Unicode-3.0"],
  ["libc++abi", "Apache-2.0 WITH LLVM-exception"],
] as const;

/** What the programs are made of, under which licences. */
export function noticesOf(packages: readonly Package[], license: string): string {
  const sections = packages.map(({ name, version, license, texts }) =>
    [RULE, `${name} ${version}`, `Licence: ${license}`, "", ...texts.length > 0 ? texts : [NO_TEXT]].join(
      "\n",
    )
  );
  return `${
    [INTRODUCTION, bun(), ...sections, `${RULE}\nThis program's own licence\n\n${license.trim()}`].join(
      "\n\n",
    )
  }\n`;
}

const NO_TEXT = "(The package holds no licence text.)";
const INTRODUCTION = "This program is licensed under Apache-2.0. It contains the software listed below.";

function bun(): string {
  return `${RULE}
Bun ${BUN_VERSION}
Licence: MIT

The runtime in this program is Bun ${BUN_VERSION}, unchanged. Its source is at https://github.com/oven-sh/bun
(tag bun-v${BUN_VERSION}). It links these libraries statically:

${IN_BUN.map(([names, licence]) => `  ${names}: ${licence}`).join("\n")}

JavaScriptCore and WebKit are LGPL: their source, with the way to relink Bun with changes to them, is at
https://github.com/oven-sh/WebKit. The texts of all these licences: https://bun.com/docs/project/license`;
}
