/** The labels and names of a run's container are the SDK's: drivers of others find it by them, too. */
export * from "../driver/host/labels.ts";
