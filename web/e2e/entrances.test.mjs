// What an address asks for is kept over the login page, and so is what a visitor has selected.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
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

/** Another site, which remembers what it was asked for. */
async function otherSite() {
  const asked = []
  const site = createServer((request, answer) => {
    asked.push(`${request.method} ${request.url}`)
    answer.setHeader('content-type', 'text/html')
    answer.end('<!doctype html><link rel="icon" href="data:,"><h1>Elsewhere</h1>')
  })
  await new Promise((done) => site.listen(0, '127.0.0.1', done))
  const host = `127.0.0.1:${site.address().port}`
  return { asked, host, origin: `http://${host}`, close: () => new Promise((done) => site.close(done).closeAllConnections()) }
}

/** Sends a form of the page's own to an address, and says whether the page's policy let it go. */
function sendsForm(page, address) {
  return page.evaluate((action) => new Promise((done) => {
    document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective !== 'form-action'), { once: true })
    addEventListener('pagehide', () => done(true), { once: true })
    const form = Object.assign(document.createElement('form'), { method: 'post', action })
    document.body.append(form)
    form.submit()
  }), address)
}

describe('logging in for another site', () => {
  let portal
  let stranger
  before(async () => {
    ;[portal, stranger] = await Promise.all([otherSite(), otherSite()])
    const root = await server.person('root')
    await root.edit('virtualproxyconfig', "prefix eq 'public'", (entrance) => {
      entrance.websocketCrossOriginWhiteList = [portal.host]
    })
  })
  after(() => Promise.all([portal?.close(), stranger?.close()]))

  const loginFor = (site) => `/public/login?targetUri=${encodeURIComponent(`${site.origin}/start?from=hub`)}`

  it('leads back to a host that the entrance lists, also after a wrong password', async () => {
    const page = await newcomer(browser, server)
    await page.goto(loginFor(portal))
    await logIn(page, { passwords: { ana: 'not her password' } }, 'ana')
    await page.getByRole('alert').waitFor()
    await logIn(page, server, 'ana')
    await page.waitForURL(`${portal.origin}/start?from=hub`)
    await page.getByRole('heading', { name: 'Elsewhere' }).waitFor()
    // What was typed into the hub's form is the hub's.
    assert.deepEqual(portal.asked, ['GET /start?from=hub'])
    const me = await page.context().request.get('/public/qps/user')
    assert.equal((await me.json()).userId, 'ana')
    await leave(page, { allow: [new RegExp(`outside request: ${portal.origin}/`), /status of 401/] })
  })

  it('leads nowhere else, whatever the address or the page says', async () => {
    const page = await newcomer(browser, server)
    await page.goto(loginFor(stranger))
    await logIn(page, server, 'ana')
    await page.waitForURL((url) => url.pathname === '/public/hub')
    const other = await newcomer(browser, server)
    await other.goto(loginFor(portal))
    assert.equal(await sendsForm(other, `${stranger.origin}/taken`), false)
    await other.goto('/public/login')
    assert.equal(await sendsForm(other, `${portal.origin}/taken`), false)
    assert.deepEqual([stranger.asked, portal.asked.filter((line) => line.startsWith('POST'))], [[], []])
    await leave(page)
    await leave(other, { allow: [/form-action/] })
  })
})
