// Serves the built pages with made-up data blocks: `node mock/serve.mjs [port]`.
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fill, pageFor } from './pages.mjs'

const dist = join(import.meta.dirname, '../dist')
const types = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' }
const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'"
const relaxed = strict.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

export function serve(port = 0) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost')
    const found = pageFor(url)
    if (found) {
      response.statusCode = found.data.message?.status ?? 200
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.setHeader('content-security-policy', found.page === 'viewer' ? relaxed : strict)
      response.end(fill(readFileSync(join(dist, `${found.page}.html`), 'utf8'), found))
      return
    }
    const file = join(dist, normalize(url.pathname))
    if (!url.pathname.startsWith('/assets/') || !existsSync(file)) {
      response.statusCode = 404
      response.end()
      return
    }
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
    createReadStream(file).pipe(response)
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

if (import.meta.filename === process.argv[1]) {
  const server = await serve(Number(process.argv[2] ?? 5180))
  console.log(`http://127.0.0.1:${server.address().port}/public/hub`)
}
