import { formatSize } from "../base/units.ts";
import { DockerError, type PullProgress } from "./docker.ts";
import { jsonLines } from "./json-lines.ts";

interface PullMessage {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
}

/** Reads a pull's progress to its end. Throws `DockerError` for an error inside the stream. */
export async function followPull(
  bytes: AsyncIterable<Uint8Array>,
  onProgress: (progress: PullProgress) => void = () => {},
): Promise<void> {
  for await (const message of jsonLines(bytes) as AsyncIterable<PullMessage>) {
    const failure = message.errorDetail?.message ?? message.error;
    if (failure !== undefined) throw new DockerError(failure, { status: message.errorDetail?.code ?? 0 });
    onProgress({ text: progressText(message) });
  }
}

function progressText({ id, status = "", progressDetail }: PullMessage): string {
  const { current, total } = progressDetail ?? {};
  const done = current ? ` ${formatSize(current)}${total ? `/${formatSize(total)}` : ""}` : "";
  return `${id ? `${id}: ` : ""}${status}${done}`;
}
