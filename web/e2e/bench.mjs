// Measures the release server as a visitor meets it and writes LOGGIA_BENCH/{hub,click}.json:
// lists of {metric, value, unit, budget, holds, peer, peer_value, ratio}. Budgets are upper bounds.
//
// The peer of the first paint is the very same page and assets from a server that does nothing else,
// measured in turns with ours, so that the machine's mood cancels out.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, resolve } from 'node:path'
import { Server, apps } from '../../tests/support/server.mjs'
import { launch, leave, newcomer, repainted, sheetReady } from './browser.mjs'

const results = process.env.LOGGIA_BENCH ?? resolve(import.meta.dirname, '../../target/bench')
const rounds = Number(process.env.LOGGIA_BENCH_ROUNDS ?? 12)
const clicked = ['kpi-flights', 'kpi-delay', 'kpi-punctual', 'kpi-cancelled', 'delay-by-airline', 'delay-by-month', 'flights-by-origin', 'size-and-delay', 'airline-by-time', 'destinations', 'filters']

const sorted = (values) => [...values].sort((one, other) => one - other)
const quantile = (values, part) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * part))]
const round = (value) => Math.round(value * 100) / 100

function measured(metric, value, unit, budget, peer, peerValue) {
  return {
    metric,
    value: round(value),
    unit,
    budget: budget ?? null,
    holds: budget === undefined ? null : value <= budget,
    peer: peer ?? null,
    peer_value: peerValue === undefined ? null : round(peerValue),
    ratio: peerValue === undefined ? null : round(value / peerValue),
  }
}

/** Milliseconds from the start of the navigation to the first words on the screen. */
async function firstPaint(browser, origin) {
  const page = await newcomer(browser, { origin })
  await page.goto('/public/hub', { waitUntil: 'load' })
  const paint = await page.evaluate(() => new Promise((done) => {
    new PerformanceObserver((list, observer) => {
      const found = list.getEntriesByName('first-contentful-paint')[0]
      if (!found) return
      observer.disconnect()
      done(found.startTime)
    }).observe({ type: 'paint', buffered: true })
  }))
  await leave(page, { allow: [/./] })
  return paint
}

/** A server that answers our hub page and its assets from memory. */
async function bareCopy(server) {
  const copies = new Map()
  const take = async (path) => {
    const answer = await server.somebody().fetch(path, { headers: { 'accept-encoding': 'identity', accept: '*/*' } })
    const body = Buffer.from(await answer.arrayBuffer())
    copies.set(path, { body, type: answer.headers.get('content-type') ?? 'application/octet-stream' })
    return body.toString('utf8')
  }
  const html = await take('/public/hub')
  const paths = [...html.matchAll(/(?:src|href)="(\/(?:assets|content)\/[^"]+)"/g)].map((found) => found[1])
  for (const path of new Set(paths)) await take(path)
  const { hub } = await server.somebody().block('/public/hub')
  for (const app of hub.streams.flatMap((stream) => stream.apps)) if (app.thumbnail) await take(app.thumbnail)
  const bare = createServer((request, response) => {
    const copy = copies.get(new URL(request.url, 'http://localhost').pathname)
    if (!copy) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': copy.type, 'content-length': copy.body.length }).end(copy.body)
  })
  await new Promise((done) => bare.listen(0, '127.0.0.1', done))
  return { origin: `http://127.0.0.1:${bare.address().port}`, close: () => bare.close() }
}

function residentMegabytes(pid) {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(kilobytes) / 1024
}

/** From the start of the process to the first 200 of /readyz, on data that is there already. */
async function restart(data) {
  const began = performance.now()
  const server = await Server.start({ data })
  return { server, took: performance.now() - began }
}

/** The middles of the bars of a horizontal bar chart, from the top. */
function bars(page, object) {
  return page.$eval(`[data-object="${object}"]`, (cell) => {
    const canvases = [...cell.querySelectorAll('canvas')].filter((canvas) => canvas.width > 0 && canvas.height > 0)
    for (const canvas of canvases) {
      const { width, height } = canvas
      const data = canvas.getContext('2d').getImageData(0, 0, width, height).data
      const isStrong = (x, y) => {
        const at = (y * width + x) * 4
        return data[at + 3] > 200 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 40
      }
      const found = []
      for (let x = 0; x < width && found.length === 0; x += 1) {
        let start
        const column = Math.min(width - 1, x + 6)
        for (let y = 0; y <= height; y += 1) {
          if (y < height && isStrong(column, y)) start ??= y
          else if (start !== undefined) {
            if (y - start > 5) found.push({ x: column, y: (start + y) / 2 })
            start = undefined
          }
        }
        if (found.length < 3) found.length = 0
      }
      if (found.length > 0) {
        const box = canvas.getBoundingClientRect()
        return found.map((spot) => ({ x: box.left + (spot.x / width) * box.width, y: box.top + (spot.y / height) * box.height }))
      }
    }
    return []
  })
}

/** Notes, from a click on, when each cell is painted for the first time and when the last time. */
function watchPainting() {
  const seen = { since: 0, first: {}, last: {} }
  window.painting = seen
  const note = (element) => {
    const object = element?.closest?.('[data-object]')?.dataset.object
    if (object === undefined || seen.since === 0) return
    const now = performance.now()
    seen.first[object] ??= now - seen.since
    seen.last[object] = now - seen.since
  }
  for (const name of ['fill', 'stroke', 'fillRect', 'strokeRect', 'fillText', 'drawImage']) {
    const draw = CanvasRenderingContext2D.prototype[name]
    CanvasRenderingContext2D.prototype[name] = function (...args) {
      note(this.canvas)
      return draw.apply(this, args)
    }
  }
  new MutationObserver((changes) => {
    for (const change of changes) note(change.target.nodeType === Node.ELEMENT_NODE ? change.target : change.target.parentElement)
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
  addEventListener('pointerdown', () => Object.assign(seen, { since: performance.now(), first: {}, last: {} }), true)
}

async function clicks(browser, server) {
  const page = await newcomer(browser, server)
  await page.addInitScript(watchPainting)
  const began = performance.now()
  await page.goto(`/public/sense/app/${apps.flights}/sheet/overview/state/analysis`)
  await sheetReady(page, clicked.length)
  const opened = performance.now() - began
  await repainted(page, {}, clicked)
  const spots = await bars(page, 'delay-by-airline')
  const took = []
  for (let turn = 0; turn < rounds; turn += 1) {
    const spot = spots[turn % spots.length]
    await page.mouse.click(spot.x, spot.y)
    await page.waitForFunction((names) => names.every((name) => window.painting.first[name] !== undefined), clicked.filter((name) => name !== 'delay-by-airline'))
    took.push(await page.evaluate((names) => Math.max(...names.map((name) => window.painting.first[name])), clicked.filter((name) => name !== 'delay-by-airline')))
    await page.keyboard.press('Escape')
    await page.getByText(/^No selections\./).waitFor()
    await repainted(page, {}, clicked)
  }
  // What is still in use, not what waits to be collected.
  const tools = await page.context().newCDPSession(page)
  await tools.send('HeapProfiler.enable')
  await tools.send('HeapProfiler.collectGarbage')
  const { usedSize: heap } = await tools.send('Runtime.getHeapUsage')
  await leave(page)
  return { took, opened, heap: heap / 1024 / 1024 }
}

mkdirSync(results, { recursive: true })
const browser = await launch()
let server = await Server.start()
try {
  const firstStart = server
  await firstStart.halt()
  const starts = []
  for (let turn = 0; turn < 5; turn += 1) {
    const again = await restart(firstStart.data)
    starts.push(again.took)
    server = again.server
    if (turn < 4) await server.halt()
  }
  const idle = residentMegabytes(server.process.pid)

  const copy = await bareCopy(server)
  const ours = []
  const bare = []
  for (let turn = 0; turn < rounds; turn += 1) {
    ours.push(await firstPaint(browser, server.origin))
    bare.push(await firstPaint(browser, copy.origin))
  }
  copy.close()

  const { took, opened, heap } = await clicks(browser, server)
  const open = residentMegabytes(server.process.pid)
  const peer = 'the same bytes from a bare server'
  const hub = [
    measured('hub first contentful paint, new visitor, p50', quantile(ours, 0.5), 'ms', 700, peer, quantile(bare, 0.5)),
    measured('hub first contentful paint, new visitor, p95', quantile(ours, 0.95), 'ms', 1200, peer, quantile(bare, 0.95)),
    measured('start to ready with demo content loaded, p50', quantile(starts, 0.5), 'ms', 300),
    measured('resident memory, idle after start', idle, 'MB', 80),
    measured('resident memory, one visitor on a sheet', open, 'MB'),
  ]
  const click = [
    measured('click on a bar to all charts repainted, p50', quantile(took, 0.5), 'ms', 300),
    measured('click on a bar to all charts repainted, p95', quantile(took, 0.95), 'ms', 600),
    measured('sheet opened to all charts rendered, cold', opened, 'ms', 2500),
    measured('browser heap on the sheet', heap, 'MB', 80),
  ]
  writeFileSync(join(results, 'hub.json'), `${JSON.stringify(hub, null, 2)}\n`)
  writeFileSync(join(results, 'click.json'), `${JSON.stringify(click, null, 2)}\n`)
  for (const row of [...hub, ...click]) {
    const verdict = row.holds === null ? '' : row.holds ? ' (holds)' : ' (OVER)'
    const against = row.ratio === null ? '' : `, ${row.ratio}× ${row.peer}`
    console.log(`${row.metric}: ${row.value} ${row.unit}${row.budget === null ? '' : `, budget ${row.budget}${verdict}`}${against}`)
  }
} finally {
  await browser.close()
  await server.stop()
}
