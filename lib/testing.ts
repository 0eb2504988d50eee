/**
 * The second door for driver authors: a driver under test.
 *
 * @module
 */
export type { RealContainer } from "./driver/testing/real-container.ts";
export type { ContainerScript, RanCommand, ScriptedAnswer } from "./driver/testing/scripted-docker.ts";
export { testDriver, type Tested, type TestedLine, type TestOptions } from "./driver/testing/test-driver.ts";
