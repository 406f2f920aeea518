// Small screens, the keyboard alone, and what axe says.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Server, apps } from '../../tests/support/server.mjs'
import { allPainted, axe, fitsWidth, launch, leave, newcomer, picture, repainted, sheetReady } from './browser.mjs'

const sheet = `/public/sense/app/${apps.penguins}/sheet/overview/state/analysis`
const pages = [
  ['hub', '/public/hub'],
  ['app', `/public/sense/app/${apps.penguins}`],
  ['login', '/login?target=%2Fhub'],
  ['not-available', `/public/sense/app/${apps.strikes}`],
  ['logged-out', '/public/loggedout'],
]

let server
let browser
before(async () => {
  ;[server, browser] = await Promise.all([Server.start(), launch()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

for (const colorScheme of ['light', 'dark']) {
  describe(`pages in ${colorScheme} colours`, { timeout: 120_000 }, () => {
    for (const [name, address] of pages) {
      it(`${name}: axe finds nothing, and 360 pixels are enough`, async () => {
        const page = await newcomer(browser, server, { colorScheme })
        await page.goto(address)
        await page.getByRole('heading', { level: 1 }).first().waitFor({ state: 'attached' })
        assert.deepEqual(await axe(page), [])
        assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
        await page.setViewportSize({ width: 360, height: 740 })
        assert.ok(await fitsWidth(page), 'nothing scrolls sideways')
        await picture(page, `${name}-${colorScheme}-360`)
        await leave(page, { allow: [/404/] })
      })
    }

    it('a sheet: axe finds nothing of ours, and its charts stack at 360 pixels', async () => {
      const page = await newcomer(browser, server, { colorScheme })
      await page.goto(sheet)
      await sheetReady(page, 11)
      await repainted(page, {}, ['kpi-penguins', 'mass-by-species'])
      // Inside of the cells is the charts' own markup, whose faults are known (spec, nebula frames §9).
      assert.deepEqual(await axe(page, { exclude: ['.cell .object'] }), [])
      await picture(page, `sheet-${colorScheme}`)
      await page.setViewportSize({ width: 360, height: 740 })
      await page.waitForFunction(() => {
        const wide = [...document.querySelectorAll('[data-object]')].filter((cell) => cell.dataset.type !== 'kpi')
        return wide.every((cell) => cell.getBoundingClientRect().width > 300)
      })
      assert.ok(await fitsWidth(page))
      await picture(page, `sheet-${colorScheme}-360`)
      await leave(page)
    })
  })
}

describe('the keyboard alone', { timeout: 120_000 }, () => {
  /** Tabs until the focused element has this name. */
  async function tabTo(page, pattern, most = 40) {
    for (let step = 0; step < most; step += 1) {
      await page.keyboard.press('Tab')
      const name = await page.evaluate(() => {
        const element = document.activeElement
        return element?.getAttribute('aria-label') ?? element?.textContent ?? ''
      })
      if (pattern.test(name)) {
        const isSeen = await page.evaluate(() => {
          const style = getComputedStyle(document.activeElement)
          return style.outlineStyle !== 'none' || style.boxShadow !== 'none'
        })
        assert.ok(isSeen, `the focus on "${name.trim()}" can be seen`)
        return
      }
    }
    assert.fail(`tabbing never came to ${pattern}`)
  }

  it('opens an app and a sheet, and logs in', async () => {
    const page = await newcomer(browser, server)
    await page.goto('/public/hub')
    await page.getByRole('heading', { name: /^Everyone/ }).waitFor()
    await tabTo(page, /Palmer penguins/)
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.pathname.includes(apps.penguins))
    await page.getByRole('link', { name: /Three species/ }).first().waitFor()
    await tabTo(page, /Three species/)
    await page.keyboard.press('Enter')
    const cells = await sheetReady(page, 11)
    await allPainted(page, cells)
    // Through the whole sheet, filter pane included, and round to the title bar.
    await tabTo(page, /^Log in$/, 120)
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.pathname === '/public/login')
    await page.keyboard.type('ana')
    await page.keyboard.press('Tab')
    await page.keyboard.type(server.passwords.ana)
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.pathname === sheet)
    await sheetReady(page, 11)
    await leave(page)
  })

  it('enters a chart as a table, sorts it, and selects in it', async () => {
    const page = await newcomer(browser, server)
    await page.goto(sheet)
    await sheetReady(page, 11)
    const inside = (selector) => page.waitForFunction((wanted) => document.activeElement?.matches(wanted), `[data-object="mass-by-species"] ${selector}`)
    const order = () => page.locator('[data-object="mass-by-species"] tbody th').allTextContents()
    await page.locator('[data-object="mass-by-species"] .njs-cell-body').focus()
    await page.keyboard.press('Enter')
    await inside('.njs-cell-body')
    await page.locator('[data-object="mass-by-species"] tbody th').first().waitFor()
    const before = await order()
    await page.keyboard.press('Enter')
    await inside('thead button')
    await page.keyboard.press('Enter')
    await page.waitForFunction((first) => document.querySelector('[data-object="mass-by-species"] tbody th')?.textContent !== first, before[0])
    const first = (await order())[0]
    for (let step = 0; step < 3; step += 1) {
      if (await page.evaluate((name) => document.activeElement?.textContent === name, first)) break
      await page.keyboard.press('ArrowDown')
    }
    await page.keyboard.press('Space')
    await page.getByRole('list', { name: 'Selected fields' }).getByText(first).waitFor()
    await page.keyboard.press('Enter')
    await leave(page)
  })

  it('searches the hub with a slash', async () => {
    const page = await newcomer(browser, server)
    await page.goto('/public/hub')
    await page.getByRole('heading', { name: /^Everyone/ }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('penguin')
    await page.getByRole('link', { name: 'New York flights 2013' }).waitFor({ state: 'hidden' })
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.pathname.includes(apps.penguins))
    await leave(page)
  })
})
