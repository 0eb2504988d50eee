/** The one door for driver authors. */
export { InputError, Retryable, StepFailure, UnavailableError } from "./base/errors.ts";
export { DriverManager, type ManagerParts } from "./driver/program/driver-manager.ts";
export { main } from "./driver/program/main.ts";
export type { CallOptions, ContainerInfo, Docker, ExecSpec } from "./docker/docker.ts";
export { DockerError } from "./docker/docker.ts";
export { defineDriver } from "./driver/define.ts";
export type { Context, Driver, DriverSettings, StepLog } from "./driver/driver.ts";
export { StopError } from "./driver/driver.ts";
export { capture, exec, type ExecOptions } from "./driver/work/exec.ts";
export type { DriverLogger, ManagedDriver, ManagedResult } from "./driver/managed-driver.ts";
export type { DriverResult, Resource } from "./wire/resource.ts";
