// Writes demo/defaults/<type>.json: the full default properties of each chart, as its own package makes them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { chromium } from 'playwright-core'
import { createServer } from 'vite'

const web = resolve(import.meta.dirname, '..')
const out = resolve(web, '../demo/defaults')
mkdirSync(out, { recursive: true })

/** Splits a captured tree into the object's own defaults and what each of its columns carries. */
function parts(properties) {
  const cube = properties.qHyperCubeDef
  if (!cube) return { properties }
  const [dimension] = cube.qDimensions
  const [measure] = cube.qMeasures
  if (dimension) {
    delete dimension.qDef.cId
    dimension.qDef.qFieldDefs = []
  }
  if (measure) {
    delete measure.qDef.cId
    measure.qDef.qDef = ''
  }
  cube.qDimensions = []
  cube.qMeasures = []
  return { properties, ...(dimension ? { dimension } : {}), ...(measure ? { measure } : {}) }
}

/** What we choose differently: columns of numbers as wide as they need, lines that can be seen. */
function withChoices(type, captured) {
  if (type === 'table') captured.measure.qDef.columnWidth = { type: 'fitToContent' }
  if (type === 'linechart') captured.properties.components = [{ key: 'line', style: { lineThickness: 2 } }]
  return captured
}

function write(type, value) {
  writeFileSync(join(out, `${type}.json`), `${JSON.stringify(value, null, 2)}\n`)
  console.log(type)
}

const server = await createServer({ root: web, configFile: false, logLevel: 'error', server: { port: 0, host: '127.0.0.1' } })
await server.listen()
const { port } = server.httpServer.address()
const browser = await chromium.launch({
  executablePath: process.env.LOGGIA_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
try {
  const page = await browser.newPage()
  page.on('pageerror', (error) => console.error(error.message))
  await page.goto(`http://127.0.0.1:${port}/scripts/defaults/index.html`)
  await page.waitForFunction(() => window.ready === true, undefined, { timeout: 60_000 })
  for (const type of await page.evaluate(() => window.types)) {
    const properties = await page.evaluate((name) => window.capture(name), type)
    write(type, withChoices(type, parts(properties)))
  }
  // Stardust's own list box: not a chart package, so its defaults are asked of the session object it creates.
  const listbox = await page.evaluate(() => window.captureListbox())
  listbox.qListObjectDef.qDef.qFieldDefs = []
  write('listbox', { properties: { ...listbox, title: '', qInfo: { qType: 'listbox' }, visualization: 'listbox' } })
} finally {
  await browser.close()
  await server.close()
}
