import type { Reason } from "../../../wire/reasons.ts";

/** What to do next, by the reason of a run that did not succeed. */
export const HINTS: Readonly<Record<Reason, string>> = {
  "command-failed": 'Fix the error above, or look around where it happened: run again with "--keep failure"',
  "clone-failed": "See what git says above; the repository must be reachable from inside a container",
  "ref-not-found":
    "Check --ref: a branch, a tag or a commit of the repository. A repository without a commit needs one first",
  "repository-not-found":
    "Check the URL. A private repository needs --git-token HOST=FILE, with a token that may read it",
  "not-signed": "Sign the commit with a key of --verify-signatures, or add its signer's key there",
  "image-not-found": 'Check --image, or log in to its registry with "docker login"',
  "image-pull-failed": 'Try "docker pull" with this image, or choose one that "docker images" lists',
  "image-unusable": "Choose another --image: it needs a shell at /bin/sh, and git",
  "container-failed":
    "See what Docker says above; the limits (--memory, --cpus, --network, --user) are the first suspects",
  "service-failed":
    "See what the service printed above; its health command, ports and limits are in spec.services",
  "container-lost": "Somebody, or Docker itself, has removed or stopped the container: run again",
  "artifact-failed":
    'Check the globs of --artifact: they start in the folder in which the commands run; "!GLOB" takes away what cannot be kept',
  "out-of-memory": "Give it more with --memory, or make the build use less (fewer jobs at once)",
  "disk-full": 'Make room: for Docker with "docker system df", for us in the data folder',
  "pids-exhausted": "Give it more with --pids, or make the build start fewer processes at once",
  "timeout": "Give it more with --timeout",
  "cancelled": "Nothing: somebody has asked for it",
  "docker-unreachable": 'Start Docker, see that "docker version" answers, and run again',
  "transport-unreachable": "See that the broker and the control plane can be reached, and run again",
  "invalid-spec": 'Mend the named value; see "flutter-ci run --help"',
  "invalid-event": "This is a defect of the program that sent the event: report it there, with the log",
  "driver-lost": "The process that worked on it was ended: run again",
  "no-pipeline": "Name a pipeline in the resource",
  "driver-error": "This is a defect of the driver: report it with the log",
  "defect": "This is a defect of the program: report it with the lines above",
  "step-failed": "See what the step says above",
};

const KEPT = "the container is kept, see above how to enter it";

/**
 * Returns what to do next; undefined if there is nothing to say. `isKept`: the run's container is kept for
 * inspection, and its log says how to enter it.
 */
export function hintFor(reason: Reason, { isKept }: { isKept: boolean }): string | undefined {
  switch (reason) {
    case "command-failed":
      return isKept ? `Fix the error above, or look around where it happened: ${KEPT}` : HINTS[reason];
    case "timeout":
      return isKept ? `${HINTS[reason]}, or look where it hung: ${KEPT}` : HINTS[reason];
    case "cancelled":
      return isKept ? `Look around where it was: ${KEPT}` : undefined;
    default:
      return HINTS[reason];
  }
}
