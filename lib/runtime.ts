/** The public API for driver authors. */
export { InputError, Retryable, StepFailure, UnavailableError } from "./base/errors.ts";
export { DriverManager, type ManagerParts } from "./driver/program/driver-manager.ts";
export { main } from "./driver/program/main.ts";
export type { CallOptions, ContainerInfo, Docker, ExecSpec } from "./docker/docker.ts";
export { DockerError } from "./docker/docker.ts";
export { type Again, again } from "./driver/author/again.ts";
export type {
  AuthorContext,
  DriverDefinition,
  Fail,
  StepAnswer,
  StepResult,
} from "./driver/author/definition.ts";
export type { Command, InContainer, RunContainer } from "./driver/author/run-container.ts";
export { defineDriver } from "./driver/define.ts";
export type { Context, Driver, DriverSettings, StepLog } from "./driver/driver.ts";
export { StopError } from "./driver/driver.ts";
export { capture, type Captured, exec, type ExecOptions } from "./driver/work/exec.ts";
export type { DriverLogger, ManagedDriver, ManagedResult } from "./driver/managed-driver.ts";
export type { DriverResult, Resource } from "./wire/resource.ts";
export type { Reason } from "./wire/reasons.ts";
/** The zod instance to declare specs with. */
export { z } from "zod";
