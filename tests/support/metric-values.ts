/** Returns the samples of a text in Prometheus' format, by name and labels as written: `a_total{x="1"}`. */
export function metricValues(text: string): Map<string, number> {
  return new Map(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
