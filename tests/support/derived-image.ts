import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DOCKER_SOCKET, ownImageName, TEST_IMAGE } from "./step-context.ts";

/** Makes an image in which a shell script replaces a program. Dispose removes it. */
export function imageWithScript(
  path: string,
  script: string,
  { image = TEST_IMAGE, socketPath = DOCKER_SOCKET, shell = "/bin/sh" }: {
    image?: string;
    socketPath?: string;
    shell?: string;
  } = {},
): { readonly name: string } & Disposable {
  const name = ownImageName();
  const folder = mkdtempSync(join(tmpdir(), "derived-image-"));
  const docker = (...args: string[]) =>
    execFileSync("docker", ["-H", `unix://${socketPath}`, ...args], { encoding: "utf8" }).trim();
  const file = join(folder, "script");
  writeFileSync(file, `#!${shell}\n${script}\n`);
  chmodSync(file, 0o755);
  const container = docker("create", image, "true");
  try {
    docker("cp", file, `${container}:${path}`);
    docker("commit", container, name);
  } finally {
    docker("rm", container);
    rmSync(folder, { recursive: true, force: true });
  }
  return { name, [Symbol.dispose]: () => void docker("rmi", "-f", name) };
}
