// Writes .br and .gz beside each asset, so that the server only has to choose.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const dir = join(import.meta.dirname, '../dist/assets')
const compressible = /\.(js|css|svg|json|webmanifest)$/
const big = 300 * 1024

const brotli = promisify(brotliCompress)
const zip = promisify(gzip)

async function compress(name) {
  const path = join(dir, name)
  const bytes = readFileSync(path)
  const [small, zipped] = await Promise.all([
    brotli(bytes, {
      params: {
        // Level 11 takes seconds on a megabyte and saves a few per cent.
        [constants.BROTLI_PARAM_QUALITY]: bytes.length < big ? 11 : 9,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
    zip(bytes, { level: 9 }),
  ])
  if (small.length < bytes.length) writeFileSync(`${path}.br`, small)
  if (zipped.length < bytes.length) writeFileSync(`${path}.gz`, zipped)
  return { name, raw: bytes.length, br: small.length, gz: zipped.length }
}

const names = readdirSync(dir).filter((name) => compressible.test(name))
const rows = await Promise.all(names.map(compress))
const kb = (n) => (n / 1024).toFixed(1).padStart(8)
for (const row of rows.sort((a, b) => a.raw - b.raw)) {
  console.log(`${kb(row.raw)} KB ${kb(row.gz)} gz ${kb(row.br)} br  ${row.name}`)
}
