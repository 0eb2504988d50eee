import Dockerode from "dockerode";
import type { Modem } from "./modem.ts";

/** dockerode with types that it lacks: options of these calls, and their answers. */
export interface Client extends Omit<Dockerode, "info" | "df" | "getNetwork" | "listVolumes"> {
  info(options: object): Promise<{
    readonly ID: string;
    readonly Name: string;
    readonly ServerVersion: string;
    readonly NCPU: number;
    readonly Architecture: string;
    readonly MemTotal: number;
    readonly BridgeNfIptables?: boolean;
    readonly Driver?: string;
    readonly CgroupVersion?: string;
    readonly DockerRootDir: string;
    readonly SystemTime: string;
    readonly HttpsProxy?: string;
  }>;
  df(options: object): Promise<{
    readonly Containers:
      | readonly {
        readonly Id: string;
        readonly SizeRw?: number;
        readonly Mounts: readonly { readonly Name?: string }[];
      }[]
      | null;
    readonly Volumes:
      | readonly { readonly Name: string; readonly UsageData?: { readonly Size: number } | null }[]
      | null;
  }>;
  listVolumes(options: object): Promise<{
    readonly Volumes:
      | readonly {
        readonly Name: string;
        readonly Labels: Record<string, string> | null;
        readonly Mountpoint: string;
        readonly CreatedAt?: string;
      }[]
      | null;
  }>;
  getNetwork(id: string): {
    inspect(options: object): Promise<{
      readonly Id: string;
      readonly Name: string;
      readonly Driver: string;
      readonly Labels: Record<string, string> | null;
      readonly Options: Record<string, string> | null;
    }>;
    remove(options: object): Promise<unknown>;
    connect(options: object): Promise<unknown>;
    disconnect(options: object): Promise<unknown>;
  };
}

export type CreateOptions = Dockerode.ContainerCreateOptions;
export type CreateNetworkOptions = Dockerode.NetworkCreateOptions;
export type AttachOptions = Dockerode.ContainerAttachOptions;
export type RenameOptions = { name: string };
export type LogsOptions = Dockerode.ContainerLogsOptions & { follow: true };
export type StatsOptions = { stream: false };
export type ExecStartOptions = Dockerode.ExecStartOptions;

/** Creates a dockerode client with our modem instead of its own. */
export function openClient(modem: Modem): Client {
  return new Dockerode({ modem } as object) as unknown as Client;
}
