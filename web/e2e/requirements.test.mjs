// Points 5 and 6 of the whole way: three things let a visitor in, and each alone can refuse. Each is
// changed over REST while the server runs, takes effect at once, and leaves others alone; and the
// anonymous check names the one that is missing.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Server, apps, everyone } from '../../tests/support/server.mjs'
import { launch, leave, logIn, newcomer, picture, repainted, sheetReady } from './browser.mjs'

const sheet = `/public/sense/app/${apps.penguins}/sheet/overview/state/analysis`

let server
let browser
let root
let bystander
before(async () => {
  ;[server, browser] = await Promise.all([Server.start(), launch()])
  root = await server.person('root')
  // Somebody at the other entrance, whose socket none of this is about.
  bystander = await newcomer(browser, server)
  await bystander.goto(`/sense/app/${apps.penguins}/sheet/overview/state/analysis`)
  await bystander.waitForURL((url) => url.pathname === '/login')
  await logIn(bystander, server, 'ben')
  await sheetReady(bystander, 11)
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

/** The bystander's socket is the one it had, and still answers. */
async function undisturbed(value) {
  const open = bystander.sockets.filter((socket) => !socket.isClosed())
  assert.equal(bystander.sockets.length, 1, 'no new socket was needed')
  assert.equal(open.length, 1, 'the socket is open')
  const before = await repainted(bystander, {}, ['kpi-penguins'])
  await bystander.locator('[data-object="filters"]').getByText(value, { exact: true }).click()
  await repainted(bystander, before, ['kpi-penguins'])
  await bystander.getByRole('button', { name: 'Clear all selections' }).click()
  await bystander.getByText(/^No selections\./).waitFor()
}

/** A fresh visitor's way to the sheet: the answer, the page, and the refusal's log line. */
async function refused(address, code, name) {
  const page = await newcomer(browser, server)
  const answer = await page.goto(address)
  await page.getByRole('heading', { level: 1 }).waitFor()
  assert.ok(await page.getByText(code, { exact: true }).isVisible(), `the page shows ${code}`)
  const text = await page.locator('main').innerText()
  const [, reference] = /Reference\s*([0-9A-Z]{6})/.exec(text) ?? []
  assert.ok(reference, `a reference to quote in: ${text}`)
  const line = await server.line(new RegExp(reference), 5_000)
  assert.match(line, new RegExp(code), 'one line in the log has the reference and the code')
  assert.match(line, /anonymous/i, 'and who it was')
  await picture(page, `refused-${name}`)
  const status = answer.status()
  await leave(page, { allow: [/40[134]/] })
  return { status, text }
}

async function admitted() {
  const page = await newcomer(browser, server)
  await page.goto(sheet)
  await sheetReady(page, 11)
  await leave(page)
}

async function hubStreams() {
  const visitor = server.somebody()
  const { hub } = await visitor.block('/public/hub')
  await visitor.end()
  return hub.streams.map((stream) => stream.name)
}

const entrance = (mode) => root.edit('virtualproxyconfig', "prefix eq 'public'", (one) => (one.anonymousAccessMode = mode))

/** The system rules whose condition is about visitors, by category. */
async function visitorRule(category) {
  const rules = await root.qrs('GET', `/systemrule/full?filter=${encodeURIComponent(`category eq '${category}'`)}`)
  const found = rules.filter((rule) => {
    const isVisitors = /^\s*user\.isanonymous\(\)\s*$/i.test(rule.rule)
    return isVisitors && (category === 'License' || rule.resourceFilter.includes(everyone))
  })
  assert.equal(found.length, 1, `${category} rules for visitors: ${JSON.stringify(rules.map((rule) => [rule.name, rule.rule, rule.resourceFilter]))}`)
  return found[0]
}

async function setRule(category, change) {
  const { id } = await visitorRule(category)
  return root.edit('systemrule', `id eq ${id}`, change)
}

/** The check says that visitors cannot open the app, which code they get, and what to change. */
async function checkFinds(code) {
  const { code: exit, report } = await server.check('public')
  assert.equal(exit, 1, 'the exit code says so too')
  assert.equal(report.open, false)
  const app = report.apps.find((one) => one.id === apps.penguins)
  assert.deepEqual([app.canOpen, app.code], [false, code])
  const mends = [...report.gates, ...report.apps].map((one) => one.mend).filter(Boolean)
  assert.ok(mends.length > 0, `what to change is named: ${JSON.stringify(report)}`)
}

describe('public access', { timeout: 240_000 }, () => {
  it('is open to begin with', async () => {
    await admitted()
    assert.deepEqual(await hubStreams(), ['Everyone'])
    const { code, report } = await server.check('public')
    assert.deepEqual([code, report.open], [0, true], JSON.stringify(report))
    const found = report.apps.map((app) => [app.name, app.canList, app.canOpen]).sort()
    assert.deepEqual(found, [
      ['New York flights 2013', true, true],
      ['Palmer penguins', true, true],
      ['Visitors', false, false],
      ['Wildlife strikes', false, false],
      ['World development', true, true],
    ])
  })

  it('needs the entrance: mode 0 asks to log in, mode 2 never does', async () => {
    await entrance(0)
    try {
      const page = await newcomer(browser, server)
      await page.goto(sheet)
      await page.waitForURL((url) => url.pathname === '/public/login')
      await picture(page, 'refused-entrance')
      assert.ok(await page.getByText(/asks everyone to log in/i).isVisible())
      await leave(page)
      const call = await server.somebody().fetch('/public/api/v1/hub', { headers: { accept: 'application/json' } })
      assert.equal(call.status, 401)
      assert.equal((await call.json()).code, 'ENT-LOGIN')
      await server.line(/ENT-LOGIN/, 5_000)
      await checkFinds('ENT-LOGIN')
      await undisturbed('Gentoo')
    } finally {
      await entrance(2)
    }
    const page = await newcomer(browser, server)
    await page.goto('/public/hub')
    await page.getByRole('heading', { name: /^Everyone/ }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'Log in' }).count(), 0, 'nobody can log in here')
    await leave(page)
    await entrance(1)
    await admitted()
  })

  it('needs a licence pool: without one the app is listed but does not open', async () => {
    await setRule('License', (rule) => (rule.disabled = true))
    try {
      assert.deepEqual(await hubStreams(), ['Everyone'], 'the hub costs no licence')
      const { status } = await refused(sheet, 'LIC-ANON-KIND', 'licence')
      assert.equal(status, 403)
      await checkFinds('LIC-ANON-KIND')
      await undisturbed('Adelie')
    } finally {
      await setRule('License', (rule) => (rule.disabled = false))
    }
    await admitted()
  })

  it('needs a stream rule: without it there is nothing to see, nor to know of', async () => {
    await setRule('Security', (rule) => (rule.disabled = true))
    try {
      assert.deepEqual(await hubStreams(), [])
      const { status, text } = await refused(sheet, 'RULE-DENIED', 'rule')
      assert.equal(status, 404)
      assert.doesNotMatch(text, /penguin/i)
      await checkFinds('RULE-DENIED')
      await undisturbed('Chinstrap')
    } finally {
      await setRule('Security', (rule) => (rule.disabled = false))
    }
    await admitted()
  })

  it('is not changed by those who may not', async () => {
    const ana = await server.person('ana')
    const rule = await visitorRule('Security')
    await assert.rejects(ana.qrs('PUT', `/systemrule/${rule.id}`, { ...rule, disabled: true }), /40[34]/)
    const answer = await root.fetch('/qrs/systemrule/full?xrfkey=0123456789abcdef', { headers: { 'x-qlik-xrfkey': 'fedcba9876543210' } })
    assert.equal(answer.status, 400, 'the key of the address and of the header must agree')
    await assert.rejects(root.edit('systemrule', `id eq ${rule.id}`, (one) => (one.rule = 'user.isAnonymous( and')), /400/)
    await assert.rejects(root.edit('systemrule', `id eq ${rule.id}`, (one) => (one.modifiedDate = '2001-01-01T00:00:00.000Z')), /409/)
    await admitted()
  })
})
