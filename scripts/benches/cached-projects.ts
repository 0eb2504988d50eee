/** A project whose build keeps something in a cache. */
export interface Project {
  readonly what: string;
  /** Texts by name. */
  readonly files: Readonly<Record<string, string>>;
  /** The folder that is kept. */
  readonly cache: string;
  /** Variables of the build. */
  readonly env: readonly string[];
  readonly command: string;
}

/** Compiles much of the standard library, and has no modules to fetch. */
export const goModule: Project = {
  what: "a Go module with net/http",
  files: {
    "go.mod": "module example.org/app\n\ngo 1.19\n",
    "main.go":
      'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n)\n\nfunc main() { fmt.Println(http.StatusText(200)) }\n',
  },
  cache: "/var/cache/go",
  env: ["GOCACHE=/var/cache/go", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local", "CGO_ENABLED=0"],
  command: "go build -o app . && ./app",
};

/**
 * Installs its packages from npm's registry into the cache, and links them: to unpack them again from npm's
 * own cache takes as long as the first time. webpack keeps what it has compiled.
 */
export const npmProject: Project = {
  what: "an npm project with webpack",
  files: {
    "package.json": JSON.stringify({
      name: "app",
      version: "1.0.0",
      private: true,
      dependencies: { "webpack": "5.90.0", "webpack-cli": "5.1.4", "lodash": "4.17.21" },
    }),
    "index.js": 'console.log(require("lodash").camelCase("It works"));\n',
    "webpack.config.js": `module.exports = {
  mode: "production",
  entry: "./index.js",
  cache: { type: "filesystem", cacheDirectory: "/var/cache/app/webpack" },
};
`,
  },
  cache: "/var/cache/app",
  env: ["npm_config_cache=/tmp/npm"],
  command: "cp package.json /var/cache/app && npm install --prefix /var/cache/app --no-audit --no-fund && " +
    "ln -s /var/cache/app/node_modules . && npx webpack && node dist/main.js",
};

const PARTS = Array.from({ length: 120 }, (_, i) => `part${i}`);
const OBJECTS = PARTS.map((name) => `${name}.o`).join(" ");

/** Compiled by ccache. */
export const cProject: Project = {
  what: `a C project of ${PARTS.length} files with ccache`,
  files: {
    ...Object.fromEntries(PARTS.map((name, i) => [`${name}.c`, sourceOf(name, i)])),
    Makefile: `all: ${OBJECTS}\n%.o: %.c\n\tccache cc -O2 -c -o $@ $<\n`,
  },
  cache: "/var/cache/ccache",
  env: ["CCACHE_DIR=/var/cache/ccache"],
  command: "make -j2",
};

function sourceOf(name: string, i: number): string {
  const functions = Array.from(
    { length: 60 },
    (_, n) =>
      `int ${name}_${n}(int x) { int s = ${i}; for (int k = 0; k < x; k++) { s = s * ${
        n + 3
      } + k % (x + ${n} + 1); if (s > 1000) s -= x * ${n}; } return s; }`,
  );
  return `#include <stdio.h>\n${functions.join("\n")}\n`;
}
