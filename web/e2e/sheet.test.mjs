// Points 2 and 3 of the whole way: a sheet of charts, selections, and logging in on it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Server, apps } from '../../tests/support/server.mjs'
import { allPainted, cookie, launch, leave, logIn, looksLike, newcomer, paintedSpot, picture, repainted, retried, sheetReady } from './browser.mjs'

const overview = `/public/sense/app/${apps.flights}/sheet/overview/state/analysis`
const others = ['kpi-flights', 'kpi-delay', 'kpi-punctual', 'delay-by-month', 'flights-by-origin', 'size-and-delay', 'airline-by-time', 'destinations', 'filters']

let server
let browser
before(async () => {
  ;[server, browser] = await Promise.all([Server.start(), launch()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

/** Clicks a bar of the airlines chart and confirms; returns the selected airline. */
async function selectBar(page) {
  const spot = await paintedSpot(page, 'delay-by-airline')
  await page.mouse.click(spot.x, spot.y)
  const chips = page.getByRole('list', { name: 'Selected fields' })
  await chips.getByText('Airline').waitFor()
  await page.keyboard.press('Enter')
  const airline = await chips.locator('.chip-text').first().innerText()
  assert.ok(airline.length > 0)
  return airline
}

describe('a visitor on a sheet', { timeout: 180_000 }, () => {
  it('opens it from the hub, and every chart is painted', async () => {
    const page = await newcomer(browser, server)
    await page.goto('/public/hub')
    await page.getByRole('link', { name: 'New York flights 2013' }).click()
    await page.getByRole('link', { name: /Overview/ }).first().click()
    await page.waitForURL((url) => url.pathname.includes('/sheet/overview'))
    const cells = await sheetReady(page, 11)
    const types = new Set(cells.map((cell) => cell.type))
    for (const type of ['barchart', 'linechart', 'piechart', 'kpi', 'table', 'scatterplot', 'pivot-table', 'filterpane']) assert.ok(types.has(type), type)
    const seen = await allPainted(page, cells)
    assert.match(seen['kpi-flights'].words, /336[.,\s\u00a0]?776|336\.8k/i)
    assert.match(seen['airline-by-time'].words, /Hawaiian|American|Alaska/)
    assert.match(seen.destinations.words, /Ohare/)
    assert.match(seen.filters.words, /Origin/)
    await picture(page, 'sheet-overview')
    await leave(page)
  })

  it('clicks a bar, and everything else follows; then steps back, forward and clears', async () => {
    const page = await newcomer(browser, server)
    await page.goto(overview)
    await allPainted(page, await sheetReady(page, 11))
    const before = await repainted(page, {}, others)
    const airline = await selectBar(page)
    const after = await repainted(page, before, others)
    assert.ok(after.destinations.words !== before.destinations.words)
    await picture(page, 'sheet-selected')

    await page.getByRole('button', { name: 'Step back' }).click()
    await page.getByText(/^No selections\./).waitFor()
    await looksLike(page, before, ['kpi-flights', 'kpi-delay', 'destinations'])
    await page.getByRole('button', { name: 'Step forward' }).click()
    await page.getByRole('list', { name: 'Selected fields' }).getByText(airline).waitFor()
    await looksLike(page, after, ['kpi-flights', 'kpi-delay', 'destinations'])
    await page.getByRole('button', { name: 'Clear all selections' }).click()
    await looksLike(page, before, ['kpi-flights', 'kpi-delay', 'destinations'])
    await leave(page)
  })

  it('selects in a list box', async () => {
    const page = await newcomer(browser, server)
    await page.goto(`/public/sense/app/${apps.penguins}/sheet/overview/state/analysis`)
    await sheetReady(page, 11)
    const before = await repainted(page, {}, ['kpi-penguins', 'filters'])
    await page.locator('[data-object="filters"]').getByText('Gentoo', { exact: true }).click()
    await page.getByRole('list', { name: 'Selected fields' }).getByText('Species').waitFor()
    const after = await repainted(page, before, ['kpi-penguins'])
    assert.match(after['kpi-penguins'].words, /124/)
    await picture(page, 'sheet-penguins')
    await leave(page)
  })

  it('sees every sheet of every app painted', async () => {
    const page = await newcomer(browser, server)
    for (const [name, sheets] of [['flights', ['weather', 'aircraft']], ['penguins', ['overview', 'years']], ['world', ['overview', 'history']]]) {
      for (const sheet of sheets) {
        await page.goto(`/public/sense/app/${apps[name]}/sheet/${sheet}/state/analysis`)
        const cells = await sheetReady(page, 4)
        const seen = await allPainted(page, cells)
        for (const { id } of cells) {
          assert.doesNotMatch(seen[id].words, /invalid (dimension|measure)|incomplete|error/i, `${name} ${sheet} ${id}`)
        }
        await picture(page, `sheet-${name}-${sheet}`)
      }
    }
    await leave(page)
  })
})

describe('logging in on a sheet', { timeout: 180_000 }, () => {
  it('comes back to it with the selections, as somebody with more to see; logging out makes a visitor again', async () => {
    const page = await newcomer(browser, server)
    await page.goto(overview)
    await allPainted(page, await sheetReady(page, 11))
    const airline = await selectBar(page)
    const selected = await repainted(page, {}, ['kpi-flights', 'destinations'])
    const visitor = await cookie(page, 'X-Qlik-Session-public')

    await page.getByRole('link', { name: 'Log in' }).first().click()
    await page.waitForURL((url) => url.pathname === '/public/login')
    await logIn(page, server, 'ana')
    await page.waitForURL((url) => url.pathname === overview)
    await sheetReady(page, 11)
    await page.getByRole('list', { name: 'Selected fields' }).getByText(airline).waitFor()
    await looksLike(page, selected, ['kpi-flights', 'destinations'])
    const user = await cookie(page, 'X-Qlik-Session-public')
    assert.ok(user && user !== visitor, 'a new session')
    const me = await page.evaluate(async () => (await fetch('/public/qps/user')).json())
    assert.deepEqual([me.userDirectory.toUpperCase(), me.userId.toLowerCase(), me.session], ['LOGGIA', 'ana', 'active'])
    await picture(page, 'sheet-ana')

    await page.goto('/public/hub')
    await page.getByRole('heading', { name: /^Team/ }).waitFor()
    assert.ok(await page.getByRole('link', { name: 'Wildlife strikes' }).isVisible())

    await page.getByRole('button', { name: 'Log out' }).click()
    await page.waitForURL((url) => url.pathname === '/public/loggedout')
    await picture(page, 'logged-out')
    await page.goto('/public/hub')
    await page.getByRole('heading', { name: /^Everyone/ }).waitFor()
    assert.equal(await page.getByRole('heading', { name: /^Team/ }).count(), 0)
    const again = await page.evaluate(async () => (await fetch('/public/qps/user')).json())
    assert.equal(again.userDirectory, 'NONE')

    // Whoever copied the old cookies has nothing.
    for (const old of [visitor, user]) {
      const answer = await fetch(`${server.origin}/public/qps/user`, { headers: { cookie: `X-Qlik-Session-public=${old}` } })
      const who = await answer.json()
      assert.notEqual(who.userId?.toLowerCase(), 'ana')
      assert.notEqual(who.userId, me.userId)
    }
    await leave(page)
  })
})

describe('a dropped connection', { timeout: 180_000 }, () => {
  it('is taken up again by itself, with the selections', async () => {
    const page = await newcomer(browser, server)
    const lines = []
    let attached = () => {}
    const isAttached = new Promise((done) => (attached = done))
    await page.routeWebSocket(/\/app\//, (line) => {
      const server = line.connectToServer()
      lines.push(line)
      server.onMessage((text) => {
        line.send(text)
        if (String(text).includes('SESSION_ATTACHED')) attached()
      })
    })
    await page.goto(overview)
    await allPainted(page, await sheetReady(page, 11))
    const airline = await selectBar(page)
    const selected = await repainted(page, {}, ['kpi-flights'])
    assert.equal(lines.length, 1)
    await lines[0].close({ code: 4321, reason: 'cut by the test' })

    await isAttached
    assert.equal(lines.length, 2, 'a new line was opened')
    // The old selection is still there to step back from and forward to.
    const hint = page.getByText(/^No selections\./)
    await retried(async () => {
      // A click in the moment before the objects are back is lost, as it would be for a person.
      await page.getByRole('button', { name: 'Step back' }).click()
      await hint.waitFor({ timeout: 1_000 })
    })
    await page.getByRole('button', { name: 'Step forward' }).click()
    await page.getByRole('list', { name: 'Selected fields' }).getByText(airline).waitFor()
    await looksLike(page, selected, ['kpi-flights'])
    await leave(page, { allow: [/Session suspended|Socket closed/] })
  })
})
