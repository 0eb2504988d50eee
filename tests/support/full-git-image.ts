import { execFileSync } from "node:child_process";

/** An image with git, ssh, sshd, git-lfs and gpg. `scripts/test` makes it. */
export const FULL_GIT_IMAGE = process.env.CONVEYOR_FULL_GIT_IMAGE ?? "conveyor-build-git:bookworm";

/** Returns why tests cannot use the image here; false if they can. */
export function noFullGit(): string | false {
  try {
    execFileSync("docker", ["image", "inspect", FULL_GIT_IMAGE], { stdio: "ignore" });
    return false;
  } catch {
    return `There is no image ${FULL_GIT_IMAGE}; scripts/test makes it`;
  }
}
