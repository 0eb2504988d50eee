import type { Router } from "../router.ts";
import { SWAGGER_HEADERS, SWAGGER_PAGE } from "../swagger-page.ts";

/** Serves the page on which the API can be tried. It needs no token: it asks for one. */
export function swaggerRoute(router: Router): void {
  for (const path of ["/swagger", "/swagger/index.html"]) {
    router.add({
      method: "get",
      path,
      tag: "Operation",
      role: "open",
      summary: "Try the API in a browser",
      answers: { 200: { what: "A page", type: "text/html" } },
    }, ({ body }) => body(SWAGGER_PAGE, 200, SWAGGER_HEADERS));
  }
}
