import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fill, pageFor } from './pages.mjs'

/** Development only: answers the product's addresses with a page and a made-up data block. */
export function mockPages() {
  return {
    name: 'loggia:mock-pages',
    apply: 'serve',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const url = new URL(request.url ?? '/', 'http://localhost')
        const found = pageFor(url)
        if (!found) return next()
        const file = resolve(import.meta.dirname, '..', `${found.page}.html`)
        server
          .transformIndexHtml(`/${found.page}.html`, readFileSync(file, 'utf8'))
          .then((html) => {
            response.statusCode = found.data.message?.status ?? 200
            response.setHeader('content-type', 'text/html; charset=utf-8')
            response.end(fill(html, found))
          })
          .catch(next)
      })
    },
  }
}
