import { InputError } from "../base/errors.ts";

/** The parts of an image's name. Docker Hub is `docker.io`, its official images are in `library/`. */
export interface ImageName {
  /** Host, and port if there is one: `docker.io`, `ghcr.io`, `localhost:5000`. */
  readonly registry: string;
  /** `library/debian`, `cirruslabs/flutter`. */
  readonly repository: string;
  /** `latest` if the name has neither tag nor digest. */
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

const HUB = "docker.io";
const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-zA-Z][a-zA-Z0-9]*(?:[-_+.][a-zA-Z][a-zA-Z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** Parses `[registry/]repository[:tag][@digest]` as Docker does. Throws `InputError`. */
export function parseImageName(text: string): ImageName {
  const [withTag = "", digest, ...more] = text.split("@");
  const slash = withTag.lastIndexOf("/");
  const colon = withTag.indexOf(":", slash + 1);
  const name = colon < 0 ? withTag : withTag.slice(0, colon);
  const tag = colon < 0 ? undefined : withTag.slice(colon + 1);
  const { registry, repository } = splitRegistry(name);
  if (repository === "") throw invalid(text, "a name, like debian:12 or ghcr.io/owner/image:tag");
  if (repository.length + registry.length > 254) throw invalid(text, "a name of at most 255 characters");
  if (!HOST.test(registry)) throw invalid(text, `a host before the first "/", not "${registry}"`);
  if (!repository.split("/").every((part) => PATH_PART.test(part))) {
    throw invalid(text, `lower-case words joined by ".", "_", "-" or "/" as its name, not "${name}"`);
  }
  if (tag !== undefined && !TAG.test(tag)) {
    throw invalid(text, `at most 128 letters, digits, ".", "_" and "-" as its tag, not "${tag}"`);
  }
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw invalid(text, 'a digest like sha256:0123… after the "@"');
  }
  return {
    registry,
    repository,
    ...(tag === undefined ? (digest === undefined ? { tag: "latest" } : {}) : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/**
 * The first part is a registry if it cannot be a name: with a dot or a port, `localhost`, or with capitals.
 */
function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, slash);
  if (slash < 0 || !(/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase())) {
    return { registry: HUB, repository: name === "" || name.includes("/") ? name : `library/${name}` };
  }
  const registry = first === "index.docker.io" ? HUB : first;
  const rest = name.slice(slash + 1);
  return {
    registry,
    repository: registry === HUB && rest !== "" && !rest.includes("/") ? `library/${rest}` : rest,
  };
}

function invalid(text: string, expected: string): InputError {
  return new InputError(`Invalid image "${text}": expected ${expected}`);
}
