// Starts a demo server of its own for a test file, and knows people who use it.
//
// The binary and the data files are named by LOGGIA_BINARY and LOGGIA_DEMO_FILES, which
// `cargo xtask test` sets.
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const root = resolve(import.meta.dirname, '../..')
export const binary = process.env.LOGGIA_BINARY ?? join(root, 'target/release/loggia')
export const demoFiles = process.env.LOGGIA_DEMO_FILES ?? join(root, 'target/demo-data')

export const apps = {
  flights: 'a1f0c2d4-2013-4e57-9c1b-1f8a3b5d7e01',
  penguins: 'b2e1d3c5-2007-4d46-8a2c-2e9b4c6f8d02',
  world: 'c3d2e4b6-1952-4c35-9b3d-3da05e7b9c03',
  strikes: 'd4c3f5a7-1990-4b24-8c4e-4eb16f8cad04',
}
export const everyone = 'aaec8d41-5201-43ab-809f-3063750dfafd'

/** A running server: `origin`, `passwords` by name, `lines` of its log, `data` folder. */
export class Server {
  lines = []
  passwords = {}
  #waiting = new Set()

  /** Starts on a free port with a new data folder, or on `data` that is there already. */
  static async start({ data, environment = {} } = {}) {
    const server = new Server()
    server.data = data ?? mkdtempSync(join(tmpdir(), 'loggia-test-'))
    const args = ['serve', '--demo', '--demo-files', demoFiles, '--data', server.data, '--listen', '127.0.0.1:0']
    server.process = spawn(binary, args, {
      env: { ...process.env, RUST_LOG: 'info', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    server.exited = new Promise((done) => server.process.once('exit', (code, signal) => done(code ?? signal)))
    for (const stream of [server.process.stdout, server.process.stderr]) {
      createInterface({ input: stream }).on('line', (line) => server.#read(line))
    }
    const gone = server.exited.then((code) => {
      throw new Error(`the server ended with ${code}:\n${server.lines.join('\n')}`)
    })
    gone.catch(() => {})
    const address = await Promise.race([server.line(/https?:\/\/127\.0\.0\.1:\d+/), gone])
    server.origin = /https?:\/\/127\.0\.0\.1:\d+/.exec(address)[0]
    await Promise.race([Promise.all([ready(server.origin), server.line(/\bben\b/)]), gone])
    return server
  }

  #read(line) {
    // Colour codes would split the words that tests look for.
    const plain = line.replace(/\x1b\[[0-9;]*m/g, '')
    this.lines.push(plain)
    const person = /\b(?:LOGGIA\\)?(root|editor|ana|ben)\b\W+(?:password\W+)?(\S{6,})/.exec(plain)
    if (person) this.passwords[person[1]] ??= person[2]
    for (const waiting of this.#waiting) waiting(plain)
  }

  /** The first line, past or future, that matches. */
  line(pattern, limit = 60_000) {
    const past = this.lines.find((line) => pattern.test(line))
    if (past !== undefined) return Promise.resolve(past)
    return new Promise((done, fail) => {
      const look = (line) => {
        if (!pattern.test(line)) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        done(line)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(look)
        fail(new Error(`no line matched ${pattern}; the last ones:\n${this.lines.slice(-30).join('\n')}`))
      }, limit)
      this.#waiting.add(look)
    })
  }

  /** Somebody with a cookie jar of their own, not signed in. */
  somebody() {
    return new Person(this)
  }

  /** Somebody signed in at an entrance. */
  async person(name, base = '') {
    const person = new Person(this)
    await person.logIn(name, base)
    return person
  }

  /** `loggia check anonymous` on this server's data, while it runs: its report and exit code. */
  check(prefix) {
    const args = ['check', 'anonymous', '--prefix', prefix, '--data', this.data, '--format', 'json']
    return new Promise((done, fail) => {
      execFile(binary, args, (error, out, complaint) => {
        if (out === '') fail(new Error(`${args.join(' ')}: ${complaint}`))
        else done({ code: error?.code ?? 0, report: JSON.parse(out) })
      })
    })
  }

  /** Ends the process but leaves its data. */
  async halt(signal = 'SIGTERM') {
    this.process.kill(signal)
    return this.exited
  }

  async stop() {
    const code = await this.halt()
    rmSync(this.data, { recursive: true, force: true })
    return code
  }
}

async function ready(origin) {
  const deadline = Date.now() + 120_000
  for (;;) {
    try {
      const answer = await fetch(`${origin}/readyz`)
      if (answer.status === 200) return
    } catch {
      // Not listening yet.
    }
    if (Date.now() > deadline) throw new Error(`${origin}/readyz never answered 200`)
    await new Promise((next) => setTimeout(next, 50))
  }
}

/** A caller of the server over plain HTTP. */
export class Person {
  cookies = new Map()

  constructor(server) {
    this.server = server
  }

  get cookieHeader() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** One request; redirects are not followed, so that tests see them. */
  async fetch(path, { headers = {}, ...options } = {}) {
    const answer = await fetch(new URL(path, this.server.origin), {
      redirect: 'manual',
      ...options,
      headers: { ...(this.cookies.size > 0 ? { cookie: this.cookieHeader } : {}), ...headers },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (name === undefined) continue
      if (value === '' || /max-age=0/i.test(line)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return answer
  }

  /** Ends the session at an entrance, so that an address does not fill up with visitors. */
  async end(base = '/public') {
    const key = randomBytes(8).toString('hex')
    await this.fetch(`${base}/qps/user?xrfkey=${key}`, { method: 'DELETE', headers: { 'x-qlik-xrfkey': key } })
  }

  /** A page as a browser asks for it. */
  page(path) {
    return this.fetch(path, { headers: { accept: 'text/html,application/xhtml+xml' } })
  }

  /** The data block of a page. */
  async block(path) {
    const text = await (await this.page(path)).text()
    const [, json] = /<script type="application\/json" id="loggia-data">(.*?)<\/script>/s.exec(text) ?? []
    if (json === undefined) throw new Error(`${path} has no data block:\n${text.slice(0, 400)}`)
    return JSON.parse(json)
  }

  async logIn(name, base = '', target = `${base}/hub`) {
    const password = this.server.passwords[name]
    if (password === undefined) throw new Error(`the server printed no password of ${name}:\n${this.server.lines.join('\n')}`)
    const answer = await this.submitLogin(name, password, base, target)
    if (answer.status !== 303) throw new Error(`login of ${name}: ${answer.status} ${await answer.text()}`)
    return answer
  }

  async submitLogin(name, password, base = '', target = `${base}/hub`) {
    const { csrf } = await this.block(`${base}/login`)
    return this.fetch(`${base}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: this.server.origin, accept: 'text/html' },
      body: new URLSearchParams({ username: name, password, target, csrf }),
    })
  }

  /** One call of the repository's REST API; `body` is sent as JSON. */
  async qrs(method, path, body) {
    const key = randomBytes(8).toString('hex')
    const joint = path.includes('?') ? '&' : '?'
    const answer = await this.fetch(`/qrs${path}${joint}xrfkey=${key}`, {
      method,
      headers: { 'x-qlik-xrfkey': key, accept: 'application/json', 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }

  /** Reads the one entity that the filter finds, lets `change` edit it, and writes it back. */
  async edit(type, filter, change) {
    const found = await this.qrs('GET', `/${type}/full?filter=${encodeURIComponent(filter)}`)
    if (found.length !== 1) throw new Error(`${type} ${filter}: found ${found.length}`)
    const [entity] = found
    change(entity)
    return this.qrs('PUT', `/${type}/${entity.id}`, entity)
  }
}
