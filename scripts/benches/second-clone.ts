import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { containerStart } from "../../drivers/container-start.ts";
import { containerStop } from "../../drivers/container-stop.ts";
import { gitCloner } from "../../drivers/git-cloner.ts";
import { LABELS } from "../../lib/build/labels.ts";
import { build, settings } from "../../tests/build/build.ts";
import { testPolicy } from "../../tests/support/settings.ts";
import { type Git, smartRepositories } from "../../tests/support/smart-repository.ts";
import { testDocker } from "../../tests/support/step-context.ts";
import type { Bench, Figure, Place } from "./bench.ts";
import { ratioFigure } from "./ratio.ts";

const SECOND_CLONE = 0.15;
/** The speed of the link over which the repository is fetched, bytes a second, and the repository's size. */
const LINK = 12_500_000;
const REPOSITORY_MB = 200;

/** The time that the mirror of a large repository saves. */
export const secondClone: Bench = {
  name: "second-clone",
  group: "everyday",
  async measure(place) {
    try {
      return [await cloneTwice(place)];
    } finally {
      await removeCaches();
    }
  },
};

/** A Perl script that copies stdin to stdout at a fixed rate. */
const slowly = (bytesPerSecond: number): string => `
use Time::HiRes qw(time sleep);
$| = 1;
my ($began, $sent) = (time, 0);
while (my $read = sysread(STDIN, my $bytes, 65536)) {
  $sent += $read;
  my $early = $began + $sent / ${bytesPerSecond} - time;
  sleep($early) if $early > 0;
  syswrite(STDOUT, $bytes) or exit;
}
`;

/** Clones a large repository over a link of known speed, and again after a file has changed. */
async function cloneTwice({ say }: Place): Promise<Figure> {
  say(`clones a repository of ${REPOSITORY_MB} MB twice over ${LINK / 125_000} Mbit/s`);
  using served = smartRepositories({
    "app.git": (git: Git, folder) => {
      for (let i = 0; i < REPOSITORY_MB; i++) writeFileSync(join(folder, `file${i}`), randomBytes(1_000_000));
      git("add", ".");
      git("commit", "-qm", "all");
      git("tag", "first");
      writeFileSync(join(folder, "file0"), randomBytes(1_000_000));
      git("commit", "-qam", "one file");
      // As a server has it; random files have no common parts to look for.
      git("-c", "pack.window=0", "repack", "-adq");
    },
  }, { passedBy: slowly(LINK) });
  const policy = testPolicy({ gitMirror: true });
  const clone = async (ref: string) => {
    let ms = 0;
    const spec = {
      repository: served.url("app.git"),
      image: served.image,
      network: "none",
      cacheScope: "default",
      ref,
    };
    await build(spec, async ({ step }) => {
      await step(containerStart, { policy });
      const began = performance.now();
      const { result, failure } = await step(gitCloner, { policy });
      ms = performance.now() - began;
      if (failure || !result) throw failure;
      await step(containerStop, { policy, results: { "git-cloner": result } });
    });
    return ms;
  };
  const [first, second] = [await clone("first"), await clone("main")];
  const what = `second clone of a repository of ${REPOSITORY_MB} MB, 1 MB of it new, over ${
    LINK / 125_000
  } Mbit/s`;
  return ratioFigure(what, { first, second, most: SECOND_CLONE });
}

async function removeCaches(): Promise<void> {
  await using daemon = testDocker();
  for (const { name } of await daemon.volumes({ [LABELS.owner]: settings.owner })) {
    await daemon.removeVolume(name);
  }
}
