// A SAML identity provider on a free loopback port, made of samlify. The first line of its output
// is its address; it ends when its standard input does, so that no test leaves one behind.
//
// `HUB` is the entrance's address, whose metadata is fetched when it is first needed. `KEY` and
// `CERTIFICATE` are PEM texts.
import { createServer } from 'node:http'
import { randomUUID } from 'node:crypto'
import samlify from 'samlify'

const { HUB, KEY, CERTIFICATE } = process.env
// The shapes of messages are what the hub's own tests are about.
samlify.setSchemaValidator({ validate: async () => 'not checked' })

const template = samlify.SamlLib.defaultLoginResponseTemplate.context.replace('{AttributeStatement}', '{Statements}')
const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    const text = String(error?.stack ?? error)
    response.writeHead(500, { 'Content-Length': Buffer.byteLength(text) }).end(text)
  })
})
let origin
let idp
let sp
server.listen(0, '127.0.0.1', () => {
  origin = `http://127.0.0.1:${server.address().port}`
  const at = (path) => [{ Binding: samlify.Constants.namespace.binding.redirect, Location: `${origin}${path}` }]
  idp = samlify.IdentityProvider({
    entityID: `${origin}/metadata`,
    privateKey: KEY,
    signingCert: CERTIFICATE,
    wantAuthnRequestsSigned: true,
    wantLogoutRequestSigned: true,
    wantLogoutResponseSigned: true,
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    nameIDFormat: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    singleSignOnService: at('/sso'),
    singleLogoutService: at('/slo'),
    loginResponseTemplate: { context: template, attributes: [] },
  })
  console.log(origin)
})

/** Who is signed in here, by the browser's cookie. */
function known(request) {
  return /(?:^|; )who=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
}

async function hub() {
  if (sp === undefined) {
    const metadata = await (await fetch(`${HUB}/samlauthn/metadata`)).text()
    sp = samlify.ServiceProvider({ metadata, wantLogoutRequestSigned: true, wantLogoutResponseSigned: true })
  }
  return sp
}

/** A query in samlify's terms: the parts, and the text that the signature is over. */
function redirected(url, kind) {
  const raw = url.search.slice(1).split('&')
  const octetString = raw.filter((pair) => !pair.startsWith('Signature=')).join('&')
  if (!url.searchParams.has(kind)) throw new Error(`no ${kind}`)
  return { query: Object.fromEntries(url.searchParams), octetString }
}

function page(response, html, headers = {}) {
  const length = Buffer.byteLength(html)
  response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Length': length, ...headers }).end(html)
}

async function vouch(response, who, inResponseTo, relayState, headers) {
  const to = await hub()
  const now = Date.now()
  const time = (seconds) => new Date(now + seconds * 1000).toISOString()
  const acs = to.entityMeta.getAssertionConsumerService('post')
  const values = {
    ID: `_${randomUUID()}`,
    AssertionID: `_${randomUUID()}`,
    Destination: acs,
    SubjectRecipient: acs,
    Audience: to.entityMeta.getEntityID(),
    Issuer: idp.entityMeta.getEntityID(),
    IssueInstant: time(0),
    StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
    ConditionsNotBefore: time(-5),
    ConditionsNotOnOrAfter: time(300),
    SubjectConfirmationDataNotOnOrAfter: time(300),
    NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    NameID: who,
    InResponseTo: inResponseTo,
  }
  const attribute = (name, ...texts) =>
    `<saml:Attribute Name="${name}">${texts.map((text) => `<saml:AttributeValue xsi:type="xs:string">${text}</saml:AttributeValue>`).join('')}</saml:Attribute>`
  const statements =
    `<saml:AuthnStatement AuthnInstant="${time(0)}" SessionIndex="_of-${who}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
    `<saml:AttributeStatement>${attribute('displayName', `${who} at the provider`)}${attribute('groups', 'sales', 'north')}</saml:AttributeStatement>`
  const fill = (text) => ({
    id: values.ID,
    context: samlify.SamlLib.replaceTagsByValue(text, values)
      .replace('{AuthnStatement}', '')
      .replace('{Statements}', statements),
  })
  const { context } = await idp.createLoginResponse(to, { extract: { request: { id: inResponseTo } } }, 'post', { email: who }, fill)
  post(response, acs, context, relayState, headers)
}

function post(response, acs, message, relayState, headers) {
  page(
    response,
    `<form method="post" action="${acs}"><input type="hidden" name="SAMLResponse" value="${message}"/><input type="hidden" name="RelayState" value="${relayState ?? ''}"/></form>`,
    headers,
  )
}

async function answer(request, response) {
  const url = new URL(request.url, origin)
  switch (url.pathname) {
    case '/metadata':
      return page(response, idp.getMetadata())
    case '/sso': {
      const asked = await idp.parseLoginRequest(await hub(), 'redirect', redirected(url, 'SAMLRequest'))
      const id = asked.extract.request.id
      const relayState = url.searchParams.get('RelayState')
      const isPassive = /IsPassive="true"/.test(asked.samlContent)
      const isAnew = /ForceAuthn="true"/.test(asked.samlContent)
      const who = known(request)
      if (who !== undefined && !isAnew) return vouch(response, who, id, relayState)
      if (isPassive) {
        const acs = (await hub()).entityMeta.getAssertionConsumerService('post')
        const refusal = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_${randomUUID()}" Version="2.0" IssueInstant="${new Date().toISOString()}" Destination="${acs}" InResponseTo="${id}"><saml:Issuer>${origin}/metadata</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:NoPassive"/></samlp:StatusCode></samlp:Status></samlp:Response>`
        return post(response, acs, Buffer.from(refusal).toString('base64'), relayState)
      }
      return page(response, `<form action="/signin?id=${id}&amp;relay=${relayState}&amp;who="></form>${isAnew ? 'anew' : ''}`)
    }
    case '/signin': {
      const who = url.searchParams.get('who')
      return vouch(response, who, url.searchParams.get('id'), url.searchParams.get('relay'), { 'Set-Cookie': `who=${who}; Path=/` })
    }
    case '/start':
      return vouch(response, url.searchParams.get('who'), null, url.searchParams.get('relay'))
    case '/end': {
      const who = url.searchParams.get('who')
      const { context } = await idp.createLogoutRequest(await hub(), 'redirect', { logoutNameID: who, sessionIndex: `_of-${who}` }, { relayState: 'back' })
      return response.writeHead(302, { Location: context }).end()
    }
    case '/slo': {
      if (url.searchParams.has('SAMLResponse')) {
        await idp.parseLogoutResponse(await hub(), 'redirect', redirected(url, 'SAMLResponse'))
        return page(response, 'all logged out')
      }
      const asked = await idp.parseLogoutRequest(await hub(), 'redirect', redirected(url, 'SAMLRequest'))
      const { context } = await idp.createLogoutResponse(await hub(), asked, 'redirect', { relayState: '' })
      return response.writeHead(302, { Location: context, 'Set-Cookie': 'who=; Path=/; Max-Age=0' }).end()
    }
    default:
      return response.writeHead(404).end()
  }
}

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
