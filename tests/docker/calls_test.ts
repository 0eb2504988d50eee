import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { answer, chunked, CHUNKED_END } from "./fake-daemon.ts";
import { docked, type Handle, isUnreachable, spec } from "./stage.ts";

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

test("pull sends a login in a header, not in the address", () =>
  docked(({ socket }) => socket.write(chunked("") + CHUNKED_END), async (docker, daemon) => {
    const login = { username: "me", password: "hunter2", serverAddress: "r.io" };
    await docker.pull("r.io/a/b", { login, signal: new AbortController().signal });
    assert.equal(daemon.requests[0]?.line, "POST /images/create?fromImage=r.io%2Fa%2Fb&tag=latest");
    const header = /\r\nx-registry-auth: (\S+)/i.exec(daemon.requests[0]?.text ?? "")?.[1] ?? "";
    assert.equal(header.length % 4, 0, "padded");
    assert.deepEqual(JSON.parse(Buffer.from(header, "base64url").toString()), {
      username: "me",
      password: "hunter2",
      serveraddress: "r.io",
    });
    await docker.pull("r.io/x@sha256:" + "0".repeat(64), {
      login: { identityToken: "t", serverAddress: "r.io" },
    });
    assert.match(daemon.requests[1]?.line ?? "", /fromImage=r\.io%2Fx&tag=sha256%3A0{64}$/);
  }));

test("pull says how far it is, and fails with what comes inside the stream", () => {
  const messages = [
    { status: "Pulling from a/b", id: "1" },
    { status: "Downloading", id: "4f4fb700ef54", progressDetail: { current: 1572864, total: 3145728 } },
    { errorDetail: { message: "unexpected EOF" }, error: "unexpected EOF" },
  ].map((message) => JSON.stringify(message)).join("\r\n");
  return docked(
    ({ socket }) => socket.write(chunked(messages.slice(0, 50), messages.slice(50)) + CHUNKED_END),
    async (docker) => {
      const lines: string[] = [];
      const pulling = docker.pull("r.io/a/b:1", { onProgress: ({ text }) => lines.push(text) });
      await assert.rejects(pulling, { name: "DockerError", message: "unexpected EOF", status: 0 });
      assert.deepEqual(lines, ["1: Pulling from a/b", "4f4fb700ef54: Downloading 1.5 MiB/3.0 MiB"]);
    },
  );
});

test("pull throws Retryable where the stream is cut short", () =>
  docked(({ socket }) => socket.end(chunked('{"status":"Pulling"}\n')), async (docker, daemon) => {
    await assert.rejects(docker.pull("r.io/a/b"), isUnreachable(daemon));
  }));

test("processes asks a ps that knows few columns for those", () =>
  docked(({ line, socket }) => {
    const isKnown = line.includes("pid%2Cargs");
    const rows = { Titles: ["PID", "COMMAND"], Processes: [["7", "sleep 1"]] };
    socket.write(isKnown ? answer(200, rows) : answer(500, { message: "ps: bad -o argument" }));
  }, async (docker) => {
    assert.deepEqual(await docker.processes("abc"), [
      { pid: 7, command: "sleep 1", seconds: undefined, isKilled: false },
    ]);
  }));

test("processes tells which ones a kill has not reached yet, wherever in the mask its bit is", () => {
  const row = (pid: string, pending: string) => [pid, pending, "61", `sleep ${pid}`];
  const rows = [
    row("1", "0000000000000100"),
    row("2", "0000000000004000"),
    row("3", "00000300"),
    row("4", "1000"),
  ];
  return docked(({ socket }) => socket.write(answer(200, { Processes: rows })), async (docker) => {
    const found = await docker.processes("abc");
    assert.deepEqual(found.map(({ isKilled }) => isKilled), [true, false, true, false]);
    assert.deepEqual(found[0], { pid: 1, command: "sleep 1", seconds: 61, isKilled: true });
  });
});

test("isAtProcessLimit is true from the limit on, and false without a limit or a running container", async () => {
  for (
    const [status, stats, expected] of [
      [200, { pids_stats: { current: 9, limit: 10 } }, false],
      [200, { pids_stats: { current: 10, limit: 10 } }, true],
      [200, { pids_stats: { current: 1, limit: 1 } }, true],
      [200, { pids_stats: { current: 10, limit: 0 } }, false],
      [200, { pids_stats: { current: 10 } }, false],
      [200, { pids_stats: {} }, false],
      [409, { message: "not running" }, false],
    ] as const
  ) {
    await docked(({ socket }) => socket.write(answer(status, stats)), async (docker) => {
      assert.equal(await docker.isAtProcessLimit("abc"), expected, JSON.stringify(stats));
    });
  }
});

test("diskBytes adds up what the containers wrote and their volumes, once each", () => {
  const measured = {
    Containers: [
      { Id: "a", SizeRw: 100, Mounts: [{ Name: "shared" }, { Name: "overlay" }, {}] },
      { Id: "b", Mounts: [{ Name: "shared" }, { Name: "unmeasured" }, { Name: "unknown" }] },
      { Id: "other", SizeRw: 50_000, Mounts: [{ Name: "others" }] },
    ],
    Volumes: [
      { Name: "shared", UsageData: { Size: 2000 } },
      { Name: "overlay", UsageData: { Size: 7 } },
      { Name: "upper", UsageData: { Size: 30_000 } },
      { Name: "unmeasured", UsageData: { Size: -1 } },
      { Name: "unknown", UsageData: null },
      { Name: "others", UsageData: { Size: 900_000 } },
    ],
  };
  return docked(({ socket }) => socket.write(answer(200, measured)), async (docker) => {
    assert.equal(await docker.diskBytes(["a", "b"]), 2107);
    assert.equal(await docker.diskBytes(["a"], { instead: new Map([["overlay", "upper"]]) }), 32_100);
    assert.equal(await docker.diskBytes(["gone"]), undefined);
    assert.deepEqual(
      [...await docker.volumeBytes()].map(([, size]) => size),
      [2000, 7, 30_000, 0, 0, 900_000],
    );
  });
});

test("diskBytes and volumeBytes take a daemon that has nothing", () =>
  docked(({ socket }) => socket.write(answer(200, { Containers: null, Volumes: null })), async (docker) => {
    assert.equal(await docker.diskBytes(["a"]), undefined);
    assert.equal((await docker.volumeBytes()).size, 0);
  }));

test("versionOf finds a part of the daemon by its name, and none that it does not have", () => {
  const Components = [{ Name: "Engine", Version: "20.10" }, { Name: "runc", Version: "1.1.5" }];
  return docked(({ socket }) => socket.write(answer(200, { Components })), async (docker) => {
    const { signal } = new AbortController();
    assert.equal(await docker.versionOf("runc", { signal }), "1.1.5");
    assert.equal(await docker.versionOf("runc"), "1.1.5");
    assert.equal(await docker.versionOf("containerd"), undefined);
  });
});

test("events are those of one container up to now by the daemon's clock, oldest first", () => {
  const handle: Handle = ({ line, socket }) => {
    if (line === "GET /info") socket.write(answer(200, { SystemTime: "2026-01-02T03:04:05.042Z" }));
    else socket.write(chunked('{"Action":"oom"}\n{"Act', 'ion":"kill"}\n') + CHUNKED_END);
  };
  return docked(handle, async (docker, daemon) => {
    assert.deepEqual(await docker.events("abc", 1_767_323_000_007, ["oom", "kill"]), ["oom", "kill"]);
    const { searchParams } = new URL(`http://x${daemon.requests[1]?.line.split(" ")[1]}`);
    assert.deepEqual([searchParams.get("since"), searchParams.get("until")], [
      "1767323000.007",
      "1767323045.042",
    ]);
    assert.deepEqual(JSON.parse(searchParams.get("filters") ?? ""), {
      container: ["abc"],
      type: ["container"],
      event: ["oom", "kill"],
    });
  });
});

test("inspect reads what a container is", () => {
  const found = {
    Id: "abc",
    Name: "/mine",
    Created: "2026-01-02T03:04:05.5Z",
    State: { Status: "exited" },
    Config: { Image: "debian", User: "1000", Labels: null, Env: ["A=b=c", "EMPTY=", "BARE", "=odd"] },
    Mounts: [{ Name: "v", Destination: "/workspace" }],
  };
  return docked(({ socket }) => socket.write(answer(200, found)), async (docker) => {
    assert.deepEqual(await docker.inspect("abc"), {
      id: "abc",
      name: "mine",
      image: "debian",
      labels: {},
      state: "exited",
      user: "1000",
      env: { A: "b=c", EMPTY: "" },
      createdAt: Date.parse("2026-01-02T03:04:05.500Z"),
      volumes: { "/workspace": "v" },
    });
  });
});

test("list is one request, however many containers there are", () => {
  const states = ["running", "exited", "dead"];
  const found = Array.from({ length: 300 }, (_, i) => ({
    Id: `c${i}`,
    Names: i === 0 ? ["/other/alias", "/n0"] : [`/n${i}`],
    Labels: i === 1 ? null : { a: `${i}` },
    State: states[i % 3],
    Created: 1_767_323_045 + i,
    ...i > 0 && { Mounts: [{ Name: `v${i}`, Destination: "/workspace" }, { Destination: "/bound" }] },
  }));
  const handle: Handle = ({ socket }) => socket.write(answer(200, found));
  return docked(handle, async (docker, daemon) => {
    const listed = await docker.list({ a: "", b: "c" });
    assert.equal(listed.length, 300);
    assert.deepEqual(listed.slice(0, 2), [
      {
        id: "c0",
        name: "n0",
        labels: { a: "0" },
        state: "running",
        createdSecond: 1_767_323_045,
        volumes: {},
      },
      {
        id: "c1",
        name: "n1",
        labels: {},
        state: "exited",
        createdSecond: 1_767_323_046,
        volumes: { "/workspace": "v1" },
      },
    ]);
    const filters = encodeURIComponent(JSON.stringify({ label: ["a", "b=c"] }));
    assert.deepEqual(daemon.requests.map(({ line }) => line), [
      `GET /containers/json?all=true&filters=${filters}`,
    ]);
  });
});

test("remove waits where a removal is under way already", async () => {
  const removed = Promise.withResolvers<void>();
  const handle: Handle = ({ line, socket }) => {
    if (line.startsWith("DELETE ")) {
      socket.write(answer(409, { message: "removal of container abc is already in progress" }));
      return;
    }
    assert.equal(line, "POST /containers/abc/wait?condition=removed");
    removed.promise.then(() => socket.write(answer(200, { StatusCode: 0 })));
  };
  await docked(handle, async (docker, daemon) => {
    let done = false;
    const removing = docker.remove("abc").finally(() => done = true);
    await until(() => daemon.requests.length === 2, "the daemon is asked to wait");
    assert.equal(done, false);
    removed.resolve();
    assert.equal(await removing, true);
  });
});

test("info takes a daemon that does not speak of bridge filters for one that has them", async () => {
  for (
    const [said, expected] of [[{}, true], [{ BridgeNfIptables: false }, false], [
      { BridgeNfIptables: true },
      true,
    ]] as const
  ) {
    await docked(({ socket }) => socket.write(answer(200, said)), async (docker) => {
      assert.equal((await docker.info()).filtersBridges, expected);
    });
  }
});

test("network does not take the beginning of an id for a name", () =>
  docked(
    ({ socket }) => socket.write(answer(200, { Id: "abcdef", Name: "other", Labels: { a: "b" } })),
    async (docker) => {
      assert.equal(await docker.network("abc"), undefined);
      assert.deepEqual(await docker.network("other"), { id: "abcdef", labels: { a: "b" }, isolated: false });
      assert.deepEqual(await docker.network("abcdef"), { id: "abcdef", labels: { a: "b" }, isolated: false });
    },
  ));

for (
  const [what, text, message] of [
    ["nested too deeply", "[".repeat(100_000), /Docker at .* answered "\[\[\[.*": expected JSON/],
    ["too long", `["${"x".repeat(33 * 1024 * 1024)}"]`, /Docker answered more than 32\.0 MiB: expected less/],
  ] as const
) {
  test(`an answer of the daemon that is ${what} is an error that names it`, () =>
    docked(({ socket }) => socket.write(answer(200, text)), async (docker) => {
      await assert.rejects(docker.info(), { name: "DockerError", message });
    }));
}

test("a line of a streamed answer that does not end is an error, not memory", () =>
  docked(({ socket }) => socket.write(chunked("x".repeat(2 * 1024 * 1024))), async (docker) => {
    await assert.rejects(docker.pull("a/b", {}), {
      name: "DockerError",
      message: /Docker answered a line of more than 1048576 characters/,
    });
  }));
