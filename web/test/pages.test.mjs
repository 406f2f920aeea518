// The built pages against made-up data and a made-up engine: accessible, small, usable at 360 px and by keyboard.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { createEngine } from '../mock/qix.mjs'
import { serve } from '../mock/serve.mjs'

const require = createRequire(import.meta.url)
const dist = join(import.meta.dirname, '../dist')
const sheet = '/public/sense/app/11111111-0000-4000-8000-000000000001/sheet/overview/state/analysis'

let server
let browser
let origin

before(async () => {
  server = await serve()
  origin = `http://127.0.0.1:${server.address().port}`
  browser = await chromium.launch({
    executablePath: process.env.LOGGIA_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  })
})

after(async () => {
  await browser?.close()
  server?.close()
})

/** A page in a fresh profile; the engine's sockets can be counted and dropped. */
async function visit(path, { width = 1280, height = 800, dark = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce' })
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  page.complaints = []
  page.sockets = []
  page.on('pageerror', (error) => page.complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 40/.test(message.text())) page.complaints.push(message.text())
  })
  await page.routeWebSocket(/\/app\//, (socket) => {
    const engine = createEngine()
    page.sockets.push(socket)
    socket.send(engine.greeting)
    socket.onMessage((message) => socket.send(engine.answer(String(message))))
  })
  await page.goto(origin + path)
  return page
}

async function leave(page, allowed = /^$/) {
  const { complaints } = page
  await page.context().close()
  assert.deepEqual(complaints.filter((text) => !allowed.test(text)), [], 'the browser complained')
}

/** What axe finds in our own markup; what stands inside a chart is the chart packages' matter. */
async function axe(page) {
  await page.evaluate(`${readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')};null`)
  return page.evaluate(async () => {
    const { violations } = await window.axe.run({ exclude: [['.object']] }, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    return violations.flatMap(({ id, impact, nodes }) => nodes.map((node) => `${impact} ${id}: ${node.target.join(' ')} ${node.failureSummary}`))
  })
}

const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)
const painted = (page) => page.waitForFunction(() => {
  const states = [...document.querySelectorAll('[data-object]')].map((cell) => cell.dataset.state)
  return states.length > 5 && !states.includes('waiting')
})

describe('every page', () => {
  const pages = {
    hub: '/public/hub', 'signed in': '/team/hub', empty: '/public/hub?empty', 'lost stream': '/public/hub/stream/nowhere',
    login: '/public/login', 'refused login': '/public/login?wrong', refused: '/public/refused/LIC-NONE', 'logged out': '/public/loggedout',
    overview: sheet.replace(/\/sheet.*/, ''), sheet,
  }
  for (const [name, path] of Object.entries(pages)) {
    test(`${name}: passes axe in light and dark, and fits 360 px`, async () => {
      for (const dark of [false, true]) {
        const page = await visit(path, { dark })
        await page.getByRole('heading', { level: 1 }).first().waitFor()
        if (path === sheet) await painted(page)
        assert.deepEqual(await axe(page), [], dark ? 'dark' : 'light')
        await leave(page)
      }
      const phone = await visit(path, { width: 360, height: 740 })
      await phone.getByRole('heading', { level: 1 }).first().waitFor()
      assert.ok(await fits(phone), 'scrolls sideways')
      await leave(phone)
    })
  }
})

describe('the hub', () => {
  test('first paint needs two small scripts, little style, and no chart code', () => {
    const html = readFileSync(join(dist, 'hub.html'), 'utf8')
    const files = (pattern) => [...html.matchAll(pattern)].map(([, file]) => file)
    const size = (names) => names.reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, name))).length, 0)
    const scripts = files(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)
    assert.equal(scripts.length, 2)
    assert.ok(size(scripts) <= 30 * 1024, `${size(scripts)} bytes of script`)
    const styles = files(/href="(\/assets\/[^"]+\.css)"/g)
    assert.ok(size(styles) <= 8 * 1024, `${size(styles)} bytes of style`)
    for (const script of scripts) assert.doesNotMatch(readFileSync(join(dist, script), 'utf8'), /nebula|picasso|enigma/i)
  })

  test('shows one stream at its own address, and finds apps by any word', async () => {
    const page = await visit('/public/hub')
    await page.getByRole('link', { name: /^Open data/ }).click()
    assert.match(page.url(), /\/public\/hub\/stream\//)
    assert.equal(await page.getByRole('link', { name: /Flights from/ }).count(), 0)
    await page.goBack()
    await page.getByRole('link', { name: /Flights from/ }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('models popular')
    await page.getByText('1 app found').waitFor()
    assert.equal(await page.getByRole('link', { name: /Penguins/ }).count(), 0)
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: /Penguins/ }).first().waitFor()
    await leave(page)
  })

  test('remembers the theme and the view', async () => {
    const page = await visit('/public/hub')
    await page.getByRole('button', { name: /^Theme/ }).click()
    await page.getByRole('button', { name: /^Theme/ }).click()
    await page.getByRole('button', { name: 'List' }).click()
    await page.reload()
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
    assert.equal(await page.getByRole('button', { name: 'List' }).getAttribute('aria-pressed'), 'true')
    await leave(page)
  })

  test('fetches the viewer ahead when an app is pointed at, unless the browser saves data', async () => {
    const page = await visit('/public/hub')
    await page.getByRole('link', { name: /Flights from/ }).hover()
    assert.ok((await page.locator('link[rel=prefetch]').count()) >= 3)
    await leave(page)
  })
})

test('log-in links carry the address to come back to, forms the token', async () => {
  const page = await visit(sheet)
  const href = await page.getByRole('link', { name: 'Log in' }).getAttribute('href')
  assert.equal(href, `/public/login?target=${encodeURIComponent(sheet)}`)
  await page.goto(`${origin}${href}`)
  assert.equal(await page.locator('input[name=target]').inputValue(), sheet)
  assert.equal(await page.locator('input[name=csrf]').inputValue(), 'mock-token')
  await page.goto(`${origin}/public/login?wrong`)
  assert.equal(await page.getByLabel('User name').inputValue(), 'ana')
  assert.equal(await page.getByRole('alert').isVisible(), true)
  await leave(page)
})

describe('a sheet', () => {
  test('a chart nobody knows leaves the others alone', async () => {
    const page = await visit(sheet)
    await painted(page)
    assert.match(await page.locator('[data-object=odd]').innerText(), /treemap/)
    assert.equal(await page.locator('[data-state=ready]').count(), 9)
    await leave(page)
  })

  test('selections: a chip for each field, its values by keyboard, back, forward, clear', async () => {
    const page = await visit(sheet)
    await painted(page)
    await page.locator('[data-object=filters]').getByText('Delta', { exact: true }).click()
    const chips = page.getByRole('list', { name: 'Selected fields' })
    await chips.getByText('Delta').waitFor()
    await chips.getByRole('button', { name: /Airline.*Delta/ }).click()
    const dialog = page.getByRole('dialog', { name: 'Values of Airline' })
    await dialog.getByRole('option', { name: 'Delta', selected: true }).waitFor()
    assert.deepEqual(await axe(page), [])
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Space')
    await chips.getByText('United, Delta').or(chips.getByText('Delta, United')).waitFor()
    await page.keyboard.press('Escape')
    assert.equal(await dialog.count(), 0)
    await page.getByRole('button', { name: 'Step back' }).click()
    await chips.getByText('Delta', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Step forward' }).click()
    await chips.getByText(/United/).waitFor()
    await page.getByRole('button', { name: 'Clear all selections' }).click()
    await page.getByText(/^No selections\./).waitFor()
    await leave(page)
  })

  test('sheets change by the list, by keys and by the browser’s own steps', async () => {
    const page = await visit(sheet)
    await painted(page)
    await page.keyboard.press(']')
    await page.waitForURL(/\/sheet\/delays\//)
    await page.keyboard.press('[')
    await page.waitForURL(/\/sheet\/overview\//)
    await page.goBack()
    await page.waitForURL(/\/sheet\/delays\//)
    await page.getByText('This sheet is not available').waitFor()
    await page.getByRole('navigation', { name: 'Sheets' }).getByRole('button', { name: /^Delays/ }).click()
    await page.keyboard.press('ArrowDown')
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Fleet')
    await page.keyboard.press('Escape')
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /^Delays/)
    await leave(page)
  })

  test('a table is entered, walked and left by keyboard', async () => {
    const page = await visit(sheet)
    await painted(page)
    const until = (tags) => page.waitForFunction((wanted) => wanted.includes(document.activeElement?.tagName), tags)
    await page.locator('[data-object=table] .njs-cell-body').focus()
    await page.keyboard.press('Enter')
    await until(['BUTTON'])
    await page.keyboard.press('ArrowDown')
    await until(['TD', 'TH'])
    await page.keyboard.press('Escape')
    await page.waitForFunction(() => document.activeElement?.matches('[data-object=table] .njs-cell-body'))
    await leave(page)
  })

  test('a dropped socket is taken up again', async () => {
    const page = await visit(sheet)
    await painted(page)
    await page.sockets[0].close({ code: 1012 })
    await page.waitForFunction(() => document.querySelectorAll('[data-state=ready]').length === 9)
    const deadline = Date.now() + 15_000
    while (page.sockets.length < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100))
    assert.ok(page.sockets.length >= 2, 'a new socket')
    await painted(page)
    await page.locator('[data-object=filters]').getByText('Envoy', { exact: true }).click()
    await page.getByRole('list', { name: 'Selected fields' }).getByText('Envoy').waitFor()
    await leave(page)
  })

  test('an ended session keeps the picture and offers one way on', async () => {
    const page = await visit(sheet)
    await painted(page)
    page.sockets[0].send(JSON.stringify({ jsonrpc: '2.0', method: 'OnSessionTimedOut', params: { severity: 'fatal', message: 'idle' } }))
    await page.getByRole('button', { name: 'Continue' }).waitFor()
    assert.equal(await page.locator('[data-state=ready]').count(), 9)
    await leave(page)
  })

  test('a refused capacity is a message with its code', async () => {
    const page = await visit(sheet)
    await painted(page)
    page.sockets[0].send(JSON.stringify({ jsonrpc: '2.0', method: 'OnLicenseAccessDenied', params: { severity: 'fatal', message: 'All units of this month are used.', code: 'LIC-EMPTY' } }))
    await page.getByText('LIC-EMPTY').waitFor()
    await page.getByText('All units of this month are used.').waitFor()
    assert.deepEqual(await axe(page), [])
    await leave(page)
  })
})
