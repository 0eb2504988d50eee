import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, chunked, CHUNKED_END } from "./fake-daemon.ts";
import { docked, type Handle } from "./stage.ts";

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
    State: { Status: "exited", ExitCode: 4, OOMKilled: false },
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
      end: { exitCode: 4, isOutOfMemory: false },
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

test("network counts as isolated only where it is a bridge that lets no traffic pass between containers", async () => {
  const icc = (value: string) => ({ "com.docker.network.bridge.enable_icc": value });
  for (
    const [Driver, Options, isolated] of [
      ["bridge", icc("false"), true],
      ["bridge", icc("true"), false],
      ["bridge", null, false],
      ["overlay", icc("false"), false],
    ] as const
  ) {
    const found = { Id: "abc", Name: "n", Labels: null, Driver, Options };
    await docked(({ socket }) => socket.write(answer(200, found)), async (docker) => {
      assert.deepEqual(await docker.network("n"), { id: "abc", labels: {}, isolated });
    });
  }
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

test("info tells what a daemon says of itself, and leaves out what is empty", async () => {
  const told = async (said: object) => {
    let found: unknown;
    await docked(({ socket }) => socket.write(answer(200, said)), async (docker) => {
      const { storage, cgroups, proxy, architecture } = await docker.info();
      found = [storage, cgroups, proxy, architecture];
    });
    return found;
  };
  const whole = {
    Driver: "overlay2",
    CgroupVersion: "2",
    HttpsProxy: "http://p.example:3128",
    Architecture: "x86_64",
  };
  assert.deepEqual(await told(whole), ["overlay2", "2", "http://p.example:3128", "amd64"]);
  const empty = { Driver: "", CgroupVersion: "", HttpsProxy: "", Architecture: "riscv64" };
  assert.deepEqual(await told(empty), [undefined, undefined, undefined, "riscv64"]);
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
