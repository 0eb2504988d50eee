import { execFileSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { pack } from "tar-stream";

/**
 * Makes an image for another kind of machine: only a /bin/sh that this one cannot execute. Dispose removes
 * it.
 */
export async function foreignImage(architecture: string): Promise<{ readonly name: string } & Disposable> {
  const name = `conveyor-test-${randomUUID().slice(0, 8)}:1`;
  const layer = await archive({ "bin/sh": foreignProgram() });
  const diff = createHash("sha256").update(layer).digest("hex");
  const config = {
    architecture,
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${diff}`] },
  };
  const image = await archive({
    "layer.tar": layer,
    "config.json": Buffer.from(JSON.stringify(config)),
    "manifest.json": Buffer.from(
      JSON.stringify([{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }]),
    ),
  });
  execFileSync("docker", ["load"], { input: image, stdio: ["pipe", "ignore", "inherit"] });
  return {
    name,
    [Symbol.dispose]: () => void execFileSync("docker", ["rmi", "-f", name], { stdio: "ignore" }),
  };
}

/** The header of an ELF program for a machine that no kernel here supports. */
function foreignProgram(): Buffer {
  const program = Buffer.alloc(256);
  program.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  program.writeUInt16LE(2, 16);
  // The machine is Alpha.
  program.writeUInt16LE(0x9026, 18);
  return program;
}

async function archive(files: Record<string, Buffer>): Promise<Buffer> {
  const tar = pack();
  for (const [name, bytes] of Object.entries(files)) tar.entry({ name, mode: 0o755 }, bytes);
  tar.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of tar as AsyncIterable<Uint8Array>) pieces.push(piece);
  return Buffer.concat(pieces);
}
