import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { containerStart } from "../../drivers/container-start.ts";
import { InputError, StepFailure } from "../../lib/base/errors.ts";
import { collectArtifacts } from "../../lib/build/artifacts/collect.ts";
import { findContainer } from "../../lib/build/labels.ts";
import { planBuild } from "../../lib/build/plan.ts";
import type { DriverSettings } from "../../lib/driver/driver.ts";
import { stepContext, TEST_IMAGE, testDocker } from "../support/step-context.ts";
import { testPolicy } from "../support/settings.ts";
import { build, settings } from "./build.ts";
import { needing } from "../support/needs.ts";

const { test } = needing("Docker");

interface Workspace {
  /** Runs a shell line in the container, as the build's user or another one. */
  sh(line: string, user?: string): string;
  /**
   * What is kept of these globs: names with their texts and modes, or the failure; and the log without what
   * was kept.
   */
  keep(
    artifacts: string[],
    given?: { workdir?: string; settings?: Partial<DriverSettings>; put?: (name: string) => void },
  ): Promise<{
    kept?: Record<string, string>;
    modes: Record<string, string>;
    failure?: StepFailure;
    lines: string[];
    listed: number;
  }>;
  readonly container: string;
}

/** A container with an empty workspace, for many a look at what is made in it. */
async function workspace(spec: object, work: (workspace: Workspace) => Promise<void>): Promise<void> {
  await using docker = testDocker();
  await build(spec, async ({ step, idle: container, run }) => {
    assert.ok((await step(containerStart)).result?.success);
    const sh = (line: string, user = "user" in spec ? String(spec.user) : "0") =>
      execFileSync("docker", ["exec", "-u", user, "-w", "/workspace", container, "sh", "-ec", line], {
        encoding: "utf8",
      });
    await work({
      sh,
      container,
      async keep(artifacts, given = {}) {
        const whole = { image: TEST_IMAGE, repository: ".", workdir: given.workdir ?? "", artifacts };
        const own = { ...settings, ...given.settings };
        const kept: Record<string, string> = {};
        const modes: Record<string, string> = {};
        const context = stepContext(docker, whole, {
          run,
          settings: own,
          putArtifact: async (name, bytes, { mode } = {}) => {
            given.put?.(name);
            const chunks = await Array.fromAsync(bytes);
            kept[name] = Buffer.concat(chunks).toString("utf8");
            modes[name] = (mode ?? 0).toString(8);
            return { size: Buffer.byteLength(kept[name]), sha256: "" };
          },
        });
        const info = await findContainer(docker, { owner: settings.owner, run, signal: context.signal });
        assert.ok(info);
        const outcome = await collectArtifacts(context, info, planBuild(whole, { ...own, ...testPolicy() }))
          .then(
            (list) => ({ kept, listed: list.length }),
            (failure) => {
              if (failure instanceof StepFailure) return { failure, listed: 0 };
              throw failure;
            },
          );
        const lines = (await context.lines()).filter((line) => !line.startsWith("system Kept "));
        return { ...outcome, modes, lines };
      },
    });
  });
}

/** As `tar` of other systems, which knows few flags. */
const SIMPLE_TAR =
  `mv /bin/tar /bin/tar.real; printf '#!/bin/sh\\ncase "$*" in *--*) exit 1 ;; esac\\nexec /bin/tar.real "$@"\\n' >/bin/tar; chmod 755 /bin/tar`;

test("artifacts are chosen by globs, without what others take away, and never .git unless it is named", async () => {
  await workspace({}, async ({ sh, keep }) => {
    sh(
      `mkdir -p dist/js .git/refs sub/.git "odd dir"; echo 1 >dist/a.js; echo 2 >dist/js/b.js; echo 3 >dist/js/b.js.map
      echo 4 >dist/.env; echo 5 >.env; echo 6 >.git/config; echo 7 >sub/.git/config; echo 8 >sub/x
      echo 9 >"odd dir/a b's \\"c\\" ü*"; touch empty`,
    );
    const names = async (...globs: string[]) => {
      const { kept, failure } = await keep(globs);
      return kept ? Object.keys(kept).sort() : failure?.message;
    };
    assert.deepEqual(await names("dist/**", "!*.map"), ["dist/a.js", "dist/js/b.js"]);
    assert.deepEqual(await names("!*.map", "!.env", "dist"), ["dist/a.js", "dist/js/b.js"]);
    assert.deepEqual(await names("dist/"), ["dist/.env", "dist/a.js", "dist/js/b.js", "dist/js/b.js.map"]);
    assert.deepEqual(await names("**", "!dist"), ["empty", 'odd dir/a b\'s "c" ü*', "sub/x"]);
    assert.deepEqual(await names("odd dir/*"), ['odd dir/a b\'s "c" ü*']);
    assert.deepEqual(await names(".", "!dist", "!odd*"), [".env", "empty", "sub/x"]);
    assert.deepEqual(await names(".git", "sub/.git/config"), [".git/config", "sub/.git/config"]);
    assert.match(
      String(await names("dist/*.ts", "missing")),
      /^No file matches .*"dist\/\*\.ts", "missing" in \/workspace$/,
    );
    assert.match(
      String(await names("dist/js/*.map", "!*.map")),
      /^All that .*"dist\/js\/\*\.map".* is taken away/,
    );
    const below = await keep(["*.js", "./js/**"], { workdir: "dist" });
    assert.deepEqual(below.kept, { "a.js": "1\n", "js/b.js": "2\n", "js/b.js.map": "3\n" });
  });
});

test("artifacts' links are followed within the workspace, where a glob names them", async () => {
  await workspace({}, async ({ sh, keep }) => {
    sh(
      `mkdir -p dist/v1 build/x/rel packages/a/dist real/dist; echo a >dist/v1/a; ln -s v1 dist/latest; ln -s v1/a dist/file
      ln -s nowhere dist/dangling; ln -s loop2 dist/loop1; ln -s loop1 dist/loop2; ln -s .. dist/up
      echo b >build/x/rel/app; ln -s x/rel build/rel; ln -s ../real packages/b; echo c >real/dist/c; echo d >packages/a/dist/d
      ln -s /workspace/dist/v1/a absolute; ln -s "/workspace/build/../dist/file" chain; mkdir .git; echo secret >.git/config
      ln -s ../.git/config dist/git; ln -s .git git`,
    );
    const all = await keep(["dist/**"]);
    assert.deepEqual(all.kept, { "dist/file": "a\n", "dist/v1/a": "a\n" });
    assert.deepEqual(all.lines.toSorted(), [
      'system Left out "dist/dangling": it links to nothing',
      'system Left out "dist/git": it links into .git, which a glob has to name',
      'system Left out "dist/latest": it links to a folder, which a glob has to name',
      'system Left out "dist/loop1": it links to nothing',
      'system Left out "dist/loop2": it links to nothing',
      'system Left out "dist/up": it links to a folder, which a glob has to name',
    ]);
    assert.deepEqual((await keep(["build/rel/*"])).kept, { "build/rel/app": "b\n" });
    assert.deepEqual((await keep(["build/rel"])).kept, { "build/rel/app": "b\n" });
    assert.deepEqual((await keep(["build/r*/app"])).kept, { "build/rel/app": "b\n" });
    assert.deepEqual((await keep(["packages/*/dist"])).kept, {
      "packages/a/dist/d": "d\n",
      "packages/b/dist/c": "c\n",
    });
    assert.deepEqual((await keep(["absolute", "chain"])).kept, { absolute: "a\n", chain: "a\n" });
    assert.deepEqual(
      (await keep(["git/config", ".git/HEA[D]", "absolute"])).failure?.reason,
      "artifact-failed",
    );
    assert.deepEqual((await keep(["git/config", ".git/config"])).kept, {
      ".git/config": "secret\n",
      "git/config": "secret\n",
    });
    assert.match(
      (await keep(["dist/dangling"])).failure?.message ?? "",
      /^No file matches .*"dist\/dangling"/,
    );
  });
});

test("artifacts that lead out of the workspace, or cannot be kept, fail the step by their name in it", async () => {
  await workspace({}, async ({ sh, keep }) => {
    sh(
      `ln -s /etc link; mkdir in; ln -s /etc/passwd in/passwd; ln -s ../link/passwd in/twice; ln -s ../../etc in/up; ln -s ../link in/folder
      mkdir deep; cd deep; d=123456789; i=0; while [ $i -lt 300 ]; do mkdir $d; cd $d; i=$((i+1)); done; echo x >bottom
      cd /workspace; mkdir odd; touch "odd/line
break" 'odd/back\\slash' "odd/$(printf '\\377')"; mkfifo pipe
      ln -s "odd/$(printf '\\377')" latest; ln -s back 'odd/li
k'; touch odd/back`,
    );
    for (
      const [glob, message] of [
        ["link/passwd", /"link\/passwd": it links to something outside of the workspace$/],
        ["link", /"link": it links to something outside/],
        ["link/*", /"link": it links to something outside/],
        ["l*/passwd", /"link": it links to something outside/],
        ["in/passwd", /"in\/passwd": it links to something outside/],
        ["in/twice", /"in\/twice": it links to something outside/],
        ["in/up/passwd", /"in\/up\/passwd": it links to something outside/],
        ["in/**", /"in\/[a-z]+": it links to something outside/],
        [
          "deep",
          /^Cannot keep the artifact "deep\/1234.*….*\/bottom": its path has 3011 bytes, expected 1024 at most$/,
        ],
        ["odd/line*", /"odd\/line\\nbreak": its name has a control character/],
        ["odd/back*", /"odd\/back\\\\slash": its name has a control character or a backslash/],
        ["odd/?", /"odd\/\\xff": its name is not UTF-8/],
        ["odd", /^Cannot keep 4 artifacts: ("odd\/[^"]*": its name [^;]*(; |$)){4}$/],
        ["latest", /"latest": the file is "odd\/\\xff", and its name is not UTF-8$/],
        ["odd/li*k", /"odd\/li\\nk": its name has a control character/],
        ["pipe", /^No file matches the artifact glob "pipe"/],
      ] as [string, RegExp][]
    ) {
      const { failure } = await keep([glob]);
      assert.equal(failure?.reason, "artifact-failed", glob);
      assert.match(failure.message, message, glob);
      assert.doesNotMatch(failure.message, /\/var\/lib/);
    }
  });
});

test("artifacts keep odd names, and those that are one in other systems", async () => {
  const names = ["-rf", "...", "..x", "A", "a", "caf\u00e9", "cafe\u0301", "$(touch x)", " ", "%s"];
  for (const prepare of [":", "mv /bin/tar /bin/tar.away"]) {
    await workspace({}, async ({ sh, keep }) => {
      const files = names.map((name) => `kept/${name}`).sort();
      sh(`${prepare}; mkdir kept; touch -- ${files.map((file) => `'${file}'`).join(" ")}`);
      const { kept, failure } = await keep(["kept/"]);
      assert.deepEqual([failure, Object.keys(kept ?? {}).sort()], [undefined, files]);
    });
  }
});

test("artifacts are read while all that the build has left running stands still, and goes on afterwards", async () => {
  await workspace({}, async ({ sh, keep, container }) => {
    sh("mkdir d; head -c 30000000 /dev/zero >d/large");
    const loop = "echo; while :; do echo; done >/tmp/lines";
    const left = spawn("docker", ["exec", container, "sh", "-c", loop]);
    await once(left.stdout, "data");
    const count = () => sh("stat -c %s /tmp/lines");
    const { kept } = await keep(["d"], {
      put: () => {
        const before = count();
        assert.deepEqual([count(), count()], [before, before]);
      },
    });
    assert.equal(kept?.["d/large"]?.length, 30_000_000);
    const before = count();
    while (count() === before);
    left.kill("SIGKILL");
  });
});

test("artifacts are kept no further once one of them cannot be stored", async () => {
  await workspace({}, async ({ sh, keep }) => {
    sh("mkdir d; for i in $(seq 100 399); do echo $i >d/$i; done");
    let kept = 0;
    const { failure } = await keep(["d"], {
      put: (name) => {
        if (name === "d/103") throw new InputError("Its name has a secret in it");
        kept++;
      },
    });
    assert.equal(failure?.reason, "artifact-failed");
    assert.match(failure.message, /"d\/103": Its name has a secret in it$/);
    assert.ok(kept < 50, `${kept} of 300`);
  });
});

test("artifacts keep their permission bits without set-user-ID, their bytes, and several names of one file", async () => {
  for (const prepare of ["", SIMPLE_TAR, "mv /bin/tar /bin/tar.away"]) {
    await workspace({}, async ({ sh, keep }) => {
      sh(
        `${
          prepare || ":"
        }; mkdir -p d/e; echo run >d/run; chmod 4755 d/run; echo s >d/e/secret; chmod 600 d/e/secret; echo u >d/usual
        chmod 6711 d/usual; chmod 644 d/usual; ln d/run d/again; ln -s run d/link; head -c 3000000 /dev/zero | tr '\\0' x >d/large; touch d/empty`,
      );
      const { kept, modes, failure } = await keep(["d"]);
      assert.equal(failure, undefined);
      assert.equal(kept?.["d/large"], "x".repeat(3_000_000));
      assert.deepEqual({ ...kept, "d/large": "" }, {
        ...{
          "d/again": "run\n",
          "d/e/secret": "s\n",
          "d/empty": "",
          "d/large": "",
          "d/link": "run\n",
          "d/run": "run\n",
        },
        "d/usual": "u\n",
      });
      assert.deepEqual(modes, {
        ...{
          "d/again": "755",
          "d/e/secret": "600",
          "d/empty": "644",
          "d/large": "644",
          "d/link": "755",
          "d/run": "755",
        },
        "d/usual": "644",
      });
    });
  }
});

test("artifacts are read as the build's user, whatever the variables and tools of the image do", async () => {
  await workspace({ user: "1000:1000" }, async ({ sh, keep }) => {
    sh("echo mine >mine; mkdir d; echo 1 >d/a");
    sh("echo root >/workspace/d/locked; chmod 600 /workspace/d/locked", "0");
    assert.deepEqual((await keep(["mine"])).kept, { mine: "mine\n" });
    const { failure } = await keep(["d"]);
    assert.match(failure?.message ?? "", /"d\/locked": it is gone, or the build's user cannot read it$/);
    sh("printf '#!/bin/sh\\necho nonsense\\n' >/bin/tar", "0");
    const broken = await keep(["mine"]);
    assert.equal(broken.failure?.reason, "artifact-failed");
  });
});

test("large artifacts keep their bytes and permission bits too, under each of their names, if the build's user can read them", async () => {
  const size = 40_000_000;
  await workspace({ user: "1000:1000" }, async ({ sh, keep }) => {
    sh(
      `mkdir d; yes line | head -c ${size} >"d/a big*"; chmod 750 d/*; ln d/a* d/again; ln -s again d/link; echo 1 >d/small`,
    );
    const { kept, modes, failure } = await keep(["d"]);
    assert.equal(failure, undefined);
    const whole = "line\n".repeat(size / 5);
    for (const name of ["d/a big*", "d/again", "d/link"]) {
      assert.ok(kept?.[name] === whole, name);
      assert.equal(modes[name], "750");
    }
    assert.equal(kept?.["d/small"], "1\n");
    sh("cp d/again /workspace/locked; chmod 600 /workspace/locked", "0");
    const locked = await keep(["locked", "d"]);
    assert.equal(locked.failure?.reason, "artifact-failed");
    assert.match(locked.failure.message, /"locked": it is gone, or the build's user cannot read it$/);
  });
});

test("artifacts past the operator's limits are counted in one line, and a long list of them is an artifact itself", async () => {
  await workspace({}, async ({ sh, keep }) => {
    sh("mkdir d; for i in $(seq 1000 1999); do echo 1234567 >d/$i; done; head -c 100000 /dev/zero >large");
    const all = await keep(["d", "large"]);
    assert.equal(Object.keys(all.kept ?? {}).length, 1002);
    assert.equal(all.listed, 1);
    const list: { name: string }[] = JSON.parse(all.kept?.["artifacts.json"] ?? "[]");
    assert.deepEqual(list.map(({ name }) => name).slice(-2), ["d/1999", "large"]);
    const few = await keep(["d", "large"], { settings: { maxArtifactFiles: 10, maxArtifactBytes: 9000 } });
    assert.equal(few.listed, 10);
    assert.deepEqual(few.lines, [
      "system 1 artifact is not kept: the artifacts are more than 8.8 KiB together",
      "system 990 artifacts are not kept: there are more than 10",
    ]);
  });
});
