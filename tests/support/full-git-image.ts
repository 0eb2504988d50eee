import { execFileSync } from "node:child_process";

/** With git, ssh, sshd, git-lfs and gpg. `scripts/test` makes it. */
export const FULL_GIT_IMAGE = process.env.CONVEYOR_FULL_GIT_IMAGE ?? "conveyor-build-git:bookworm";

/** Why nothing that needs the image can be tested here; false where it can. */
export function noFullGit(): string | false {
  try {
    execFileSync("docker", ["image", "inspect", FULL_GIT_IMAGE], { stdio: "ignore" });
    return false;
  } catch {
    return `There is no image ${FULL_GIT_IMAGE}; scripts/test makes it`;
  }
}
