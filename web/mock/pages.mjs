// Made-up data blocks in the shape of src/data.ts, for development and for the page tests.

const hour = 3_600_000
const ago = (ms) => new Date(Date.now() - ms).toISOString()

const apps = [
  ['11111111-0000-4000-8000-000000000001', 'Flights from New York', 'Every departure of 2013 from three airports: delays, routes, weather and aircraft.', ago(2 * hour)],
  ['11111111-0000-4000-8000-000000000002', 'Penguins of Palmer Station', 'Three species, three islands and four measurements.', ago(26 * hour)],
  ['11111111-0000-4000-8000-000000000003', 'Fuel economy', 'Consumption of 234 popular car models.', ago(12 * 60_000)],
  ['11111111-0000-4000-8000-000000000004', 'Storms of the Atlantic', '', null],
].map(([id, name, description, lastReload]) => ({
  id, name, description, lastReload, owner: 'Editor', thumbnail: null, may: ['read'],
}))

const streams = [
  { id: 'aaec8d41-5201-43ab-809f-3063750dfafd', name: 'Everyone', apps },
  { id: 'aaec8d41-5201-43ab-809f-3063750dfafe', name: 'Open data', apps: apps.slice(1, 3) },
]

const sheets = [
  { id: 'overview', title: 'Overview', description: 'The year at a glance', rank: 0 },
  { id: 'delays', title: 'Delays', description: 'Where time is lost', rank: 1 },
  { id: 'fleet', title: 'Fleet', description: '', rank: 2 },
]

export function block(base, extra = {}, signedIn = false) {
  return {
    base,
    entrance: { prefix: base.slice(1), anonymous: base ? 'allowed' : 'never' },
    product: { name: 'Loggia', version: '0.1.0' },
    me: signedIn
      ? { isAnonymous: false, name: 'Ana', directory: 'LOGGIA', userId: 'ana', logoutUrl: `${base}/logout` }
      : { isAnonymous: true, name: 'Visitor', loginUrl: `${base}/login` },
    csrf: 'mock-token',
    ...extra,
  }
}

const refusal = (status, code, title, text, action) => ({
  code, status, title, text, reference: '7F3K9Q', time: new Date().toISOString(), ...(action ? { action } : {}),
})

const messages = (base) => ({
  'LIC-NONE': refusal(403, 'LIC-NONE', 'No capacity for visitors', 'This app needs a capacity that no pool gives to visitors.', { label: 'Back to the hub', href: `${base}/hub` }),
  'RULE-DENIED': refusal(404, 'RULE-DENIED', 'Not available', 'There is nothing at this address, or it is not shared with you.', { label: 'Log in', href: `${base}/login?target=${base}/hub` }),
  loggedout: refusal(200, '', 'You are logged out', 'Your session on this computer has ended.', { label: 'Log in again', href: `${base}/login` }),
})

/** The page and data block for an address, or undefined when the address is not a page. */
export function pageFor(url) {
  const [, base = '', path = '/'] = /^(\/public|\/team)?(\/.*)$/.exec(url.pathname) ?? []
  const signedIn = base === '/team' || url.searchParams.has('ana')
  const page = (name, extra, title) => ({ page: name, title, data: block(base, extra, signedIn) })
  if (path === '/hub' || path.startsWith('/hub/stream/')) {
    return page('hub', { hub: { streams: url.searchParams.has('empty') ? [] : streams } }, 'Hub')
  }
  if (path === '/login') {
    const message = url.searchParams.has('wrong')
      ? { message: refusal(401, 'ACC-PASSWORD', 'Not logged in', 'The name or the password is not right.'), username: 'ana' }
      : {}
    return page('login', message, 'Log in')
  }
  if (path === '/loggedout') return page('message', { message: messages(base).loggedout }, 'Logged out')
  const refused = /^\/refused\/([\w-]+)$/.exec(path)
  if (refused) return page('message', { message: messages(base)[refused[1]] ?? messages(base)['RULE-DENIED'] }, 'Refused')
  const sense = /^\/sense\/app\/([^/]+)(?:\/sheet\/([^/]+))?/.exec(path)
  if (sense) {
    const app = apps.find((item) => item.id === sense[1]) ?? apps[0]
    return page('viewer', { app: { ...app, stream: { id: streams[0].id, name: 'Everyone' }, sheets }, ...(sense[2] ? { sheet: sense[2] } : {}) }, app.name)
  }
  return undefined
}

/** Fills the page's three marks as the server does. */
export function fill(html, { data, title }) {
  const json = JSON.stringify(data).replaceAll('<', '\\u003c')
  return html
    .replace('<!--loggia:title-->', () => `${title} · Loggia`)
    .replace('<!--loggia:data-->', () => `<script type="application/json" id="loggia-data">${json}</script>`)
    .replace('<!--loggia:content-->', '')
}
