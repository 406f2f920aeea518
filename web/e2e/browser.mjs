// A headless Chromium for the tests, and what they ask of pages.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { chromium } from 'playwright-core'
import { expectNoProblems } from './problems.mjs'

const require = createRequire(import.meta.url)
const pictures = resolve(import.meta.dirname, '../../target/e2e')

export async function launch() {
  return chromium.launch({
    executablePath: process.env.LOGGIA_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      // The sandbox refuses to start as root, which is who containers usually run as.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  })
}

/** A new browser profile's first page. `problems` collects what a person's console would show in red. */
export async function newcomer(browser, server, options = {}) {
  const context = await browser.newContext({
    baseURL: server.origin,
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  })
  context.setDefaultTimeout(30_000)
  const page = await context.newPage()
  page.problems = []
  page.sockets = []
  page.on('pageerror', (error) => page.problems.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(`console: ${message.text()}`)
  })
  page.on('websocket', (socket) => page.sockets.push(socket))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== server.origin && !/^(data|blob):/.test(request.url())) page.problems.push(`outside request: ${request.url()}`)
  })
  return page
}

/** Closes the page's profile, after looking at what went wrong on it. */
export async function leave(page, { allow = [] } = {}) {
  const problems = [...page.problems]
  // The visitor's session ends with it, or an address would soon have more than it may.
  const key = '0123456789abcdef'
  await page.context().request.delete(`/public/qps/user?xrfkey=${key}`, { headers: { 'x-qlik-xrfkey': key } })
  await page.context().close()
  expectNoProblems(problems, allow)
}

export async function picture(page, name, options = {}) {
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: join(pictures, `${name}.png`), ...options })
}

export async function cookie(page, name) {
  const found = (await page.context().cookies()).find((one) => one.name === name)
  return found?.value
}

/** Fills the login form that the page shows. */
export async function logIn(page, server, name) {
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('Password').fill(server.passwords[name])
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Waits until every cell of the sheet has been rendered, and returns their object ids by type. */
export async function sheetReady(page, count) {
  await page.waitForFunction((wanted) => {
    const cells = [...document.querySelectorAll('[data-object]')]
    return cells.length >= wanted && cells.every((cell) => cell.dataset.state === 'ready')
  }, count)
  return page.$$eval('[data-object]', (cells) => cells.map((cell) => ({ id: cell.dataset.object, type: cell.dataset.type })))
}

/**
 * What is to be seen of each cell: pixels of canvases that are not blank, shapes, words, and a
 * signature of all of them that changes when the picture does.
 */
export function look(page) {
  return page.$$eval('[data-object]', (cells) => {
    const hash = (values) => {
      let sum = 2166136261
      for (let at = 0; at < values.length; at += 1) sum = Math.imul(sum ^ values[at], 16777619)
      return (sum >>> 0).toString(16)
    }
    return Object.fromEntries(cells.map((cell) => {
      let pixels = 0
      const marks = []
      for (const canvas of cell.querySelectorAll('canvas')) {
        if (canvas.width === 0 || canvas.height === 0) continue
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
        let inked = 0
        for (let at = 3; at < data.length; at += 4) if (data[at] > 32) inked += 1
        pixels = Math.max(pixels, inked)
        marks.push(hash(data))
      }
      const shapes = [...cell.querySelectorAll('svg path, svg rect, svg circle, svg line, svg text')].filter((shape) => {
        const box = shape.getBoundingClientRect()
        return box.width > 0 || box.height > 0
      })
      for (const shape of shapes) marks.push(shape.outerHTML)
      // What a table's headers say to those who hear them comes and goes with the focus.
      const words = cell.innerText.replace(/\s+/g, ' ').replace(/ (Ascending|Descending)? ?Press space to sort on this column/g, '').trim()
      const states = [...cell.querySelectorAll('[class*="selected"], [class*="excluded"], [class*="alternative"]')].map((one) => one.className)
      return [cell.dataset.object, { pixels, shapes: shapes.length, words, signature: `${marks.join()}|${words}|${states.join()}` }]
    }))
  })
}

/** A turn of the page's own clock: the next moment at which it may look different. */
function nextFrame(page) {
  return page.evaluate(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))))
}

/** Waits until each cell shows what its type is expected to show, and returns what is seen. */
export async function allPainted(page, cells, limit = 20_000) {
  const drawn = new Set(['barchart', 'linechart', 'piechart', 'scatterplot'])
  const deadline = Date.now() + limit
  for (;;) {
    const seen = await look(page)
    const blank = cells.filter(({ id, type }) => {
      const { pixels, shapes, words } = seen[id] ?? { pixels: 0, shapes: 0, words: '' }
      return drawn.has(type) ? pixels < 150 && shapes < 6 : words.length < 4
    })
    if (blank.length === 0) return seen
    if (Date.now() > deadline) throw new Error(`blank: ${blank.map(({ id }) => `${id} ${JSON.stringify(seen[id]).slice(0, 200)}`).join('; ')}`)
    await nextFrame(page)
  }
}

/** Waits until the picture of each named cell differs from what was seen, and is still again. */
export async function repainted(page, before, names, limit = 20_000) {
  const deadline = Date.now() + limit
  let last
  for (;;) {
    const now = await look(page)
    const unchanged = names.filter((name) => now[name]?.signature === before[name]?.signature)
    const isStill = last !== undefined && names.every((name) => last[name]?.signature === now[name]?.signature)
    if (unchanged.length === 0 && isStill) return now
    if (Date.now() > deadline) throw new Error(`not repainted: ${unchanged.join(', ') || 'still moving'}`)
    last = now
    await nextFrame(page)
  }
}

/** Waits until the named cells look as they did before. */
export async function looksLike(page, wanted, names, limit = 20_000) {
  const deadline = Date.now() + limit
  for (;;) {
    const now = await look(page)
    const different = names.filter((name) => now[name]?.words !== wanted[name]?.words)
    if (different.length === 0) return
    if (Date.now() > deadline) {
      throw new Error(`still different: ${different.map((name) => `${name}: "${now[name]?.words}" not "${wanted[name]?.words}"`).join('; ')}`)
    }
    await nextFrame(page)
  }
}

/**
 * The middle of a painted bar or slice in a cell's canvas, in the page's coordinates: a spot whose
 * surroundings all have one strong colour.
 */
export async function paintedSpot(page, object, limit = 20_000) {
  const deadline = Date.now() + limit
  for (;;) {
    const spot = await findSpot(page, object)
    if (spot) return spot
    if (Date.now() > deadline) throw new Error(`${object} has no painted spot to click`)
    await nextFrame(page)
  }
}

function findSpot(page, object) {
  return page.$eval(`[data-object="${object}"]`, (cell) => {
    let best
    for (const canvas of cell.querySelectorAll('canvas')) {
      if (canvas.width === 0 || canvas.height === 0) continue
      const { width, height } = canvas
      const data = canvas.getContext('2d').getImageData(0, 0, width, height).data
      const colour = (x, y) => {
        const at = (y * width + x) * 4
        const [red, green, blue, alpha] = data.slice(at, at + 4)
        const isStrong = alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40
        return isStrong ? (red << 16) | (green << 8) | blue : undefined
      }
      const reach = 4
      for (let y = reach; y < height - reach && !best; y += 2) {
        for (let x = reach; x < width - reach; x += 2) {
          const middle = colour(x, y)
          if (middle === undefined) continue
          let isWhole = true
          for (const [dx, dy] of [[-reach, 0], [reach, 0], [0, -reach], [0, reach]]) isWhole &&= colour(x + dx, y + dy) === middle
          if (isWhole) {
            best = { canvas, x, y }
            break
          }
        }
      }
      if (best) break
    }
    if (!best) return undefined
    const box = best.canvas.getBoundingClientRect()
    return { x: box.left + (best.x / best.canvas.width) * box.width, y: box.top + (best.y / best.canvas.height) * box.height }
  })
}

/** Does it again until it succeeds; what went wrong last is what went wrong. */
export async function retried(act, turns = 10) {
  for (let turn = 1; ; turn += 1) {
    try {
      return await act()
    } catch (error) {
      if (turn === turns) throw error
    }
  }
}

/** What axe finds on the page, as one line a finding. */
export async function axe(page, { exclude = [] } = {}) {
  // Evaluated by the browser's own console, so that the page's content policy stays in force.
  await page.evaluate(`${readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')};null`)
  return page.evaluate(async (hidden) => {
    const { violations } = await window.axe.run({ exclude: hidden.map((one) => [one]) }, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return violations.flatMap(({ id, impact, nodes }) => nodes.map((node) => `${impact} ${id}: ${node.target.join(' ')}`))
  }, exclude)
}

/** True when nothing makes the page scroll sideways. */
export function fitsWidth(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)
}
