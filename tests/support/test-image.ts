/** The image that builds of tests run in. */
export const TEST_IMAGE = process.env.CONVEYOR_TEST_IMAGE ?? "conveyor-build:bookworm";
