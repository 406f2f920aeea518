// What an address asks for is kept over the login page, and so is what a visitor has selected.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Server, apps } from '../../tests/support/server.mjs'
import { launch, leave, logIn, newcomer, sheetReady } from './browser.mjs'

const overview = `/sense/app/${apps.penguins}/sheet/overview/state/analysis`

let server
let browser
before(async () => {
  ;[server, browser] = await Promise.all([Server.start(), launch()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const chips = (page) => page.getByRole('list', { name: 'Selected fields' })

describe('addresses', () => {
  it('select what a deep link says, once', async () => {
    const page = await newcomer(browser, server)
    await page.goto(`/public${overview}/options/clearselections/select/Species/Gentoo;Adelie`)
    await sheetReady(page, 11)
    await chips(page).getByText('Adelie, Gentoo').waitFor()
    await page.waitForURL((url) => url.pathname === `/public${overview}`)
    await page.getByRole('button', { name: 'Clear all selections' }).click()
    await page.getByText(/^No selections\./).waitFor()
    await page.reload()
    await sheetReady(page, 11)
    await page.getByText(/^No selections\./).waitFor()
    await leave(page)
  })

  it('lead through the login page to what they ask for', async () => {
    const page = await newcomer(browser, server)
    await page.goto(`${overview}/select/Species/Gentoo`)
    await page.waitForURL((url) => url.pathname === '/login')
    await logIn(page, server, 'ana')
    await sheetReady(page, 11)
    await chips(page).getByText('Gentoo').waitFor()
    await leave(page)
  })

  it('keep a visitor’s selections when they log in', async () => {
    const page = await newcomer(browser, server)
    await page.goto(`/public${overview}`)
    await sheetReady(page, 11)
    await page.locator('[data-object="filters"]').getByText('Chinstrap', { exact: true }).click()
    await chips(page).getByText('Chinstrap').waitFor()
    await page.getByRole('link', { name: 'Log in' }).click()
    await page.waitForURL((url) => url.pathname === '/public/login')
    await logIn(page, server, 'ben')
    await sheetReady(page, 11)
    assert.equal(new URL(page.url()).pathname, `/public${overview}`)
    await chips(page).getByText('Chinstrap').waitFor()
    await leave(page)
  })
})
