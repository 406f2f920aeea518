// A login module for Loggia: a form of your own, and a ticket for whoever fills it in rightly.
//
// It needs nothing but Node.js 20 or later. README.md tells how to set it up.

import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'

const settings = {
  port: Number(process.env.PORT ?? 8090),
  // client.pem, client_key.pem and root.pem of `loggia certificate export`.
  certificates: process.env.CERTIFICATES ?? 'certificates',
  // The port for programs, such as https://hub.example:4243.
  loggia: new URL(process.env.LOGGIA ?? 'https://localhost:4243'),
  people: process.env.PEOPLE ?? 'people.json',
  directory: process.env.DIRECTORY ?? 'EXAMPLE',
}

if (process.argv[2] === 'hash') {
  // Reads a password from standard input and prints what people.json keeps of it.
  const salt = randomBytes(16).toString('hex')
  console.log(JSON.stringify({ salt, hash: hashed(readFileSync(0, 'utf8').trimEnd(), salt) }))
  process.exit(0)
}

const file = (name) => readFileSync(join(settings.certificates, name))
const identity = { cert: file('client.pem'), key: file('client_key.pem'), ca: file('root.pem') }
const people = JSON.parse(readFileSync(settings.people, 'utf8'))

const server = createServer((incoming, answer) => {
  handle(incoming, answer).catch((error) => {
    console.error(error.message)
    page(answer, 502, '<p role="alert">The hub cannot be reached. Please try again.</p>')
  })
})
server.listen(settings.port, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`)
})

async function handle(incoming, answer) {
  const url = new URL(incoming.url, 'http://module.invalid')
  if (url.pathname !== '/') return page(answer, 404, '<p>There is nothing here.</p>')
  if (incoming.method === 'GET') {
    const { searchParams: query } = url
    return page(answer, 200, form(query.get('targetId') ?? '', query.get('proxyRestUri') ?? ''))
  }
  if (incoming.method !== 'POST') return page(answer, 405, '<p>That is not possible here.</p>')
  const fields = new URLSearchParams(await text(incoming, 16_384))
  const [targetId, rest] = [fields.get('targetId') ?? '', fields.get('proxyRestUri') ?? '']
  const person = recognised(fields.get('name') ?? '', fields.get('password') ?? '')
  if (!person) return page(answer, 401, form(targetId, rest, 'The name or the password is not right.'))
  const told = await ticket(entrance(rest), person, targetId)
  if (!told.TargetUri) return page(answer, 400, '<p>This took too long. Please go to the hub again.</p>')
  // Only to where the hub says: an address in this form could have been written by anybody.
  const back = new URL(told.TargetUri)
  back.searchParams.set('qlikTicket', told.Ticket)
  answer.writeHead(303, { Location: back.href, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' }).end()
}

// The path of the entrance's ticket interface. Its host is the one that is set up here, whatever
// the browser brought along.
function entrance(rest) {
  const path = URL.canParse(rest) ? new URL(rest).pathname : '/qps/'
  return /^\/qps\/([a-z0-9._~-]+\/)?$/.test(path) ? path : '/qps/'
}

function recognised(name, password) {
  const known = Object.hasOwn(people, name) ? people[name] : undefined
  // Somebody unknown takes as long as somebody known.
  const { salt, hash } = known ?? { salt: '00', hash: '00'.repeat(32) }
  const [given, kept] = [hashed(password, salt), hash].map((digits) => Buffer.from(digits, 'hex'))
  const isRight = given.length === kept.length && timingSafeEqual(given, kept)
  return known && isRight ? { name, groups: known.groups ?? [] } : undefined
}

function hashed(password, salt) {
  return scryptSync(password.slice(0, 512), Buffer.from(salt, 'hex'), 32).toString('hex')
}

function ticket(path, person, targetId) {
  // The same sixteen characters twice: no page of another site could send the header.
  const key = randomBytes(8).toString('hex')
  const body = JSON.stringify({
    UserDirectory: settings.directory,
    UserId: person.name,
    Attributes: person.groups.map((group) => ({ group })),
    TargetId: targetId,
  })
  const options = {
    ...identity,
    hostname: settings.loggia.hostname.replace(/^\[|\]$/g, ''),
    port: settings.loggia.port || 443,
    path: `${path}ticket?Xrfkey=${key}`,
    method: 'POST',
    timeout: 10_000,
    headers: {
      'X-Qlik-Xrfkey': key,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
    },
  }
  return new Promise((resolve, reject) => {
    const asked = request(options, (answer) => {
      text(answer, 65_536).then((content) => {
        if (answer.statusCode !== 201) reject(new Error(`no ticket: ${answer.statusCode} ${content}`))
        else resolve(JSON.parse(content))
      }, reject)
    })
    asked.on('timeout', () => asked.destroy(new Error('the hub does not answer')))
    asked.on('error', reject)
    asked.end(body)
  })
}

async function text(stream, limit) {
  let content = ''
  stream.setEncoding('utf8')
  for await (const part of stream) {
    content += part
    if (content.length > limit) throw new Error('too much was sent')
  }
  return content
}

function form(targetId, rest, problem) {
  return `<form method="post">${problem ? `<p role="alert">${escaped(problem)}</p>` : ''}
<label>Name <input name="name" required autocomplete="username"></label>
<label>Password <input name="password" type="password" required autocomplete="current-password"></label>
<input type="hidden" name="targetId" value="${escaped(targetId)}">
<input type="hidden" name="proxyRestUri" value="${escaped(rest)}">
<button>Log in</button></form>`
}

function page(answer, status, content) {
  answer.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  })
  answer.end(`<!doctype html><html lang="en"><title>Log in</title><h1>Log in</h1>${content}</html>`)
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
