/** Where the programs are that the units start; install.sh puts another prefix in its place. */
const BIN = "/usr/local/bin";

/**
 * systemd units: one for each driver, of which any number of instances may run, and one for the control
 * plane.
 */
export function unitsOf(drivers: readonly string[]): Readonly<Record<string, string>> {
  const units = drivers.map((driver) => [`${driver}@.service`, driverUnit(driver)] as const);
  return Object.fromEntries([...units, ["flutter-ci-up.service", planeUnit()]]);
}

function driverUnit(driver: string): string {
  return `[Unit]
Description=Conveyor driver ${driver}, instance %i
Documentation=file:${BIN.replace("/bin", "")}/share/doc/flutter-ci/install.md
Wants=network-online.target
After=network-online.target docker.service nats-server.service

[Service]
Type=notify
NotifyAccess=all
ExecStart=${BIN}/${driver}
# Flags as variables, CONVEYOR_NATS=nats://…: for all drivers, for this one, and for this instance.
EnvironmentFile=-/etc/flutter-ci/drivers.env
EnvironmentFile=-/etc/flutter-ci/%p.env
EnvironmentFile=-/etc/flutter-ci/%p@%i.env
Restart=on-failure
RestartSec=5
# The first signal lets a driver finish what it has in hand, for CONVEYOR_DRAIN (1 h) at most.
KillMode=mixed
TimeoutStartSec=infinity
TimeoutStopSec=65min
StateDirectory=flutter-ci/%p-%i
Environment=HOME=%S/flutter-ci/%p-%i
${HARDENING}
[Install]
WantedBy=multi-user.target
`;
}

function planeUnit(): string {
  return `[Unit]
Description=Conveyor control plane
Documentation=file:${BIN.replace("/bin", "")}/share/doc/flutter-ci/install.md
Wants=network-online.target
After=network-online.target docker.service nats-server.service

[Service]
Type=notify
NotifyAccess=all
ExecStart=${BIN}/flutter-ci up --data %S/private/flutter-ci/up
# Flags as variables: CONVEYOR_NATS=nats://…, CONVEYOR_DRIVERS=none, CONVEYOR_LISTEN=…
EnvironmentFile=-/etc/flutter-ci/up.env
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStartSec=infinity
TimeoutStopSec=65min
StateDirectory=flutter-ci/up
Environment=HOME=%S/flutter-ci/up
${HARDENING}
[Install]
WantedBy=multi-user.target
`;
}

/** No MemoryDenyWriteExecute: the runtime compiles while it runs. */
const HARDENING = `StateDirectoryMode=0700

DynamicUser=yes
# Whoever may use Docker's socket is as good as root on its host. Where the group has another name: systemctl edit.
SupplementaryGroups=docker
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=all
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
`;
