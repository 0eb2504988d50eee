/**
 * The SDK defines the labels and names of a run's container: drivers by other authors find the container by
 * them too.
 */
export * from "../driver/host/labels.ts";
