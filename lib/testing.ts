/**
 * The public API for testing a driver.
 *
 * @module
 */
export type { RealContainer } from "./driver/testing/real-container.ts";
export type { ContainerScript, RanCommand, ScriptedAnswer } from "./driver/testing/scripted-docker.ts";
export { testDriver, type Tested, type TestedLine, type TestOptions } from "./driver/testing/test-driver.ts";
