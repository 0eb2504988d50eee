/** Returns a message's data as bytes: a text in UTF-8. */
export const bytesOf = (data: Uint8Array | string): Uint8Array =>
  typeof data === "string" ? new TextEncoder().encode(data) : data;
