/** `flutter-ci` with a defect: at SIGUSR2 a promise is rejected that nobody waits for. */
process.on("SIGUSR2", () => void Promise.reject(new Error("a stray rejection")));
await import("../../../drivers/flutter-ci.ts");
