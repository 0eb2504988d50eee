import type { Docker } from "../../lib/docker/docker.ts";
import type { Driver, DriverSettings } from "../../lib/driver/driver.ts";
import { testSettings } from "../../tests/support/settings.ts";

export const TYPE = "bench";

/** A driver that only says when it was called. */
export function noOp(name: string, onBegin: (run: string) => void = () => {}): Driver {
  return {
    name,
    resources: [TYPE],
    reconcile({ run }) {
      onBegin(run);
      return Promise.resolve({ success: true, message: "" });
    },
  };
}

/** No driver here asks it anything. */
export const NO_DOCKER = {} as Docker;

export const SETTINGS: DriverSettings = testSettings({ owner: "bench", host: "bench", maxArtifactBytes: 0 });
