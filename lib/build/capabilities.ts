/** Capabilities for a build to unpack, chown and switch user. None of them reaches outside the container. */
export const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "KILL",
];
