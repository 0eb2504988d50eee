import { answered, call } from "./calls.ts";
import type { Client } from "./client.ts";
import { environmentOf } from "./container-options.ts";
import type { Docker, RegistryLogin } from "./docker.ts";
import { parseImageName } from "./image-name.ts";
import { followPull } from "./pull-progress.ts";

export function imageCalls(client: Client): Pick<Docker, "inspectImage" | "imageNames" | "pull"> {
  return {
    async inspectImage(image, options = {}) {
      parseImageName(image);
      const found = await answered([404], () => client.getImage(image).inspect(call(options) as object));
      return found && {
        id: found.Id,
        user: found.Config?.User ?? "",
        architecture: found.Architecture,
        env: environmentOf(found.Config?.Env),
      };
    },

    async imageNames(options = {}) {
      const found = await answered([], () => client.listImages(call(options) as object));
      const names = (found ?? []).flatMap(({ RepoTags }) => RepoTags ?? []);
      return names.filter((name) => !name.startsWith("<none>")).sort();
    },

    async pull(image, { login, onProgress, ...options } = {}) {
      const { registry, repository, tag, digest } = parseImageName(image);
      const stream = await client.createImage(login && registryAuth(login), {
        fromImage: `${registry}/${repository}`,
        tag: digest ?? tag,
        ...call(options),
      });
      await followPull(stream as unknown as AsyncIterable<Uint8Array>, onProgress);
    },
  };
}

/** Returns the credentials that the daemon passes on to the registry. */
function registryAuth(login: RegistryLogin): object {
  return {
    serveraddress: login.serverAddress,
    ...(login.identityToken === undefined
      ? { username: login.username, password: login.password }
      : { identitytoken: login.identityToken }),
  };
}
