import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "./fake-daemon.ts";
import { docked, spec } from "./stage.ts";

test("create puts nothing but the name into the address", () =>
  docked(({ socket }) => socket.write(answer(201, { Id: "abc" })), async (docker, daemon) => {
    assert.equal(await docker.create(spec()), "abc");
    assert.equal(daemon.requests[0]?.line, "POST /containers/create?name=some-name");
    assert.match(daemon.requests[0]?.text ?? "", /"TOKEN=hunter2"/);
  }));

test("create asks for a container without rights, swap, terminal and restarts, with an init that ends what is left", () =>
  docked(({ socket }) => socket.write(answer(201, { Id: "abc" })), async (docker, daemon) => {
    await docker.create({ ...spec(), cpus: 1.5, capabilities: ["KILL"] });
    const { HostConfig, Tty } = JSON.parse(daemon.requests[0]?.text.split("\r\n\r\n")[1] ?? "");
    const { Mounts: _, ...host } = HostConfig;
    assert.deepEqual([Tty, host], [false, {
      Init: true,
      Privileged: false,
      SecurityOpt: ["no-new-privileges"],
      CapDrop: ["ALL"],
      CapAdd: ["KILL"],
      PidsLimit: 10,
      Memory: 1e9,
      MemorySwap: 1e9,
      NanoCpus: 1_500_000_000,
      LogConfig: { Type: "none" },
      RestartPolicy: { Name: "no" },
      NetworkMode: "none",
    }]);
    await docker.create({ ...spec(), removesItself: true, keepsLog: true, privileged: true });
    const other = JSON.parse(daemon.requests[1]?.text.split("\r\n\r\n")[1] ?? "").HostConfig;
    assert.deepEqual([other.AutoRemove, other.LogConfig.Type, other.Privileged], [true, "json-file", true]);
  }));

test("create leaves to the image what the spec does not say", () =>
  docked(({ socket }) => socket.write(answer(201, { Id: "abc" })), async (docker, daemon) => {
    const { entrypoint: _, command: _c, workdir: _w, ...least } = spec();
    await docker.create(least);
    const said = { entrypoint: ["/bin/sh"], command: ["-c", "x"], workdir: "/w", user: "1", aliases: ["db"] };
    await docker.create({ ...spec(), ...said, network: "lan" });
    const [usual, whole] = daemon.requests.map(({ text }) => {
      const { Entrypoint, Cmd, User, WorkingDir, NetworkingConfig } = JSON.parse(
        text.split("\r\n\r\n")[1] ?? "",
      );
      return [Entrypoint, Cmd, User, WorkingDir, NetworkingConfig];
    });
    assert.deepEqual(usual, [undefined, undefined, undefined, undefined, undefined]);
    assert.deepEqual(whole, [["/bin/sh"], ["-c", "x"], "1", "/w", {
      EndpointsConfig: { lan: { Aliases: ["db"] } },
    }]);
  }));

test("create copies nothing of the image into a volume that has a name or lies over another", () =>
  docked(({ socket }) => socket.write(answer(201, { Id: "abc" })), async (docker, daemon) => {
    await docker.create({
      ...spec(),
      volume: { target: "/workspace", name: "kept" },
      mounts: [
        { target: "/written", name: "w" },
        { target: "/read", name: "r", isReadOnly: true },
        { target: "/over", overlay: { lower: ["/a", "/b"], changes: { upper: "/u", work: "/k" } } },
        { target: "/seen", overlay: { lower: ["/a"] } },
      ],
    });
    const body = daemon.requests[0]?.text.split("\r\n\r\n")[1] ?? "";
    const { Mounts } = JSON.parse(body).HostConfig;
    const facts = Mounts.map((mount: Record<string, unknown>) => [mount.Source, mount.ReadOnly === true]);
    assert.deepEqual(facts, [
      ["kept", false],
      ["w", false],
      ["r", true],
      [undefined, false],
      [undefined, false],
    ]);
    assert.ok(Mounts.every((mount: { VolumeOptions: { NoCopy: boolean } }) => mount.VolumeOptions.NoCopy));
    assert.deepEqual(
      Mounts.slice(3).map((mount: { VolumeOptions: { DriverConfig: { Options: { o: string } } } }) =>
        mount.VolumeOptions.DriverConfig.Options.o
      ),
      ["lowerdir=/a:/b,upperdir=/u,workdir=/k", "lowerdir=/a"],
    );
  }));
