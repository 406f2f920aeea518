// Points 1 and 4 of the whole way: the hub of a visitor, and the entrance that asks to sign in.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Server, apps } from '../../tests/support/server.mjs'
import { cookie, launch, leave, logIn, newcomer, picture } from './browser.mjs'

let server
let browser
before(async () => {
  ;[server, browser] = await Promise.all([Server.start(), launch()])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

describe('a visitor at the public entrance', { timeout: 120_000 }, () => {
  it('gets a session and sees what visitors may see, and how to log in', async () => {
    const page = await newcomer(browser, server)
    await page.goto('/public/hub')
    await page.getByRole('heading', { name: /^Everyone/ }).waitFor()
    for (const name of ['New York flights 2013', 'Palmer penguins', 'World development']) {
      assert.ok(await page.getByRole('link', { name }).isVisible(), name)
    }
    assert.equal(await page.getByText('Wildlife strikes').count(), 0, 'the app of the Team is not shown')
    assert.equal(await page.getByText('Team', { exact: true }).count(), 0, 'nor the stream')
    assert.ok((await page.getByRole('link', { name: 'Log in' }).count()) >= 1)
    assert.ok((await cookie(page, 'X-Qlik-Session-public'))?.length >= 16, 'a session of this entrance')
    assert.equal(await cookie(page, 'X-Qlik-Session'), undefined, 'none of the other')

    const me = await page.evaluate(async () => (await fetch('/public/qps/user')).json())
    assert.equal(me.userDirectory, 'NONE')
    assert.match(me.userId, /^anonymous[0-9a-f-]{32,36}$/)
    assert.equal(me.session, 'inactive')

    // The pictures load lazily, and their absence would be seen.
    await page.waitForFunction(() => [...document.images].every((image) => image.complete && image.naturalWidth > 0))
    await picture(page, 'hub-visitor')
    await leave(page)
  })

  it('loads no chart code with the first paint, and little of anything', async () => {
    const page = await newcomer(browser, server)
    let scripts = 0
    let bytes = 0
    const sizes = []
    page.on('response', (response) => {
      if (response.request().resourceType() !== 'script') return
      scripts += 1
      sizes.push(response.request().sizes().then((size) => (bytes += size.responseBodySize)))
    })
    await page.goto('/public/hub', { waitUntil: 'load' })
    await Promise.all(sizes)
    assert.ok(scripts <= 2, `${scripts} scripts`)
    assert.ok(bytes <= 30 * 1024, `${bytes} bytes of script`)
    await leave(page)
  })

  it('keeps the session over tabs and is someone else in another browser', async () => {
    const page = await newcomer(browser, server)
    const other = await newcomer(browser, server)
    await page.goto('/public/hub')
    await other.goto('/public/hub')
    const tab = await page.context().newPage()
    await tab.goto('/public/hub')
    const who = (one) => one.evaluate(async () => (await (await fetch('/public/qps/user')).json()).userId)
    const [first, second, third] = [await who(page), await who(tab), await who(other)]
    assert.equal(first, second)
    assert.notEqual(first, third)
    await leave(other)
    await leave(page)
  })

  it('works without script: the apps are links', async () => {
    const page = await newcomer(browser, server, { javaScriptEnabled: false })
    await page.goto('/public/hub')
    const link = page.getByRole('link', { name: 'Palmer penguins' })
    assert.match(await link.getAttribute('href'), new RegExp(`^/public/sense/app/${apps.penguins}`))
    await leave(page)
  })
})

describe('the default entrance', { timeout: 120_000 }, () => {
  it('leads to the login page and back to the address asked for', async () => {
    const page = await newcomer(browser, server)
    const address = `/sense/app/${apps.strikes}/sheet/season/state/analysis`
    await page.goto(address)
    await page.waitForURL((url) => url.pathname === '/login')
    await picture(page, 'login')
    await logIn(page, server, 'ana')
    await page.waitForURL((url) => url.pathname === address)
    await page.getByText('Wildlife strikes').first().waitFor()
    assert.ok((await cookie(page, 'X-Qlik-Session'))?.length >= 16)
    await leave(page)
  })

  it('refuses a wrong password, says so, and keeps the name and the address', async () => {
    const page = await newcomer(browser, server)
    await page.goto('/hub')
    await page.waitForURL((url) => url.pathname === '/login')
    await page.getByLabel('User name').fill('ana')
    await page.getByLabel('Password').fill('not her password')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('alert').waitFor()
    assert.equal(await page.getByLabel('User name').inputValue(), 'ana')
    assert.equal(await page.getByLabel('Password').inputValue(), '')
    await picture(page, 'login-refused')
    await logIn(page, server, 'ana')
    await page.waitForURL((url) => url.pathname === '/hub')
    await page.getByRole('heading', { name: /^Team/ }).waitFor()
    await picture(page, 'hub-ana')
    await leave(page, { allow: [/401/] })
  })

  it('does not send people to another site after login', async () => {
    for (const target of ['https://example.com/', '//example.com/', '/\\example.com', '/%09/example.com']) {
      const page = await newcomer(browser, server)
      await page.goto(`/login?target=${encodeURIComponent(target)}`)
      await logIn(page, server, 'ben')
      await page.waitForURL((url) => url.pathname !== '/login')
      assert.equal(new URL(page.url()).origin, server.origin, target)
      await leave(page, { allow: [/404/] })
    }
  })
})

describe('addresses that lead nowhere', { timeout: 120_000 }, () => {
  it('have a page each, with what to do', async () => {
    const page = await newcomer(browser, server)
    const wanted = [
      ['/nowhere/hub', 404, 'ENT-UNKNOWN'],
      [`/public/sense/app/00000000-0000-4000-8000-000000000000`, 404, undefined],
      [`/public/sense/app/not-an-id`, 404, undefined],
      [`/public/sense/app/${apps.strikes}`, 404, undefined],
    ]
    for (const [address, status, code] of wanted) {
      const answer = await page.goto(address)
      assert.equal(answer.status(), status, address)
      await page.getByRole('heading', { level: 1 }).waitFor()
      if (code) assert.ok(await page.getByText(code).isVisible(), `${address} shows ${code}`)
      assert.equal(await page.getByText('Wildlife').count(), 0, 'the name of a hidden app stays hidden')
    }
    await picture(page, 'not-available')
    await leave(page, { allow: [/404/] })
  })
})
