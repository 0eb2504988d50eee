import { execFileSync } from "node:child_process";
import { imageWithScript } from "./derived-image.ts";

/** Makes an image whose `git` is this script and which sets these variables. Dispose removes it. */
export function hostileImage(
  git: string,
  variables: Readonly<Record<string, string>> = {},
): { readonly name: string } & Disposable {
  const image = imageWithScript("/usr/local/bin/git", git);
  const changes = Object.entries(variables).flatMap(([name, value]) => ["--change", `ENV ${name}=${value}`]);
  if (changes.length === 0) return image;
  const container = execFileSync("docker", ["create", image.name, "true"], { encoding: "utf8" }).trim();
  try {
    execFileSync("docker", ["commit", ...changes, container, image.name], { stdio: "ignore" });
  } finally {
    execFileSync("docker", ["rm", container], { stdio: "ignore" });
  }
  return image;
}
