// An enigma.js session on an app, opened with somebody's cookies.
import { createRequire } from 'node:module'
import enigma from 'enigma.js'
import WebSocket from 'ws'

const require = createRequire(import.meta.url)
const schema = require('enigma.js/schemas/12.2027.0.json')

/** Opens a session; `session.sockets` collects the sockets that enigma makes, to drop one. */
export function connect(person, app, { base = '/public', ...options } = {}) {
  const sockets = []
  const session = enigma.create({
    schema,
    url: `${person.server.origin.replace('http', 'ws')}${base}/app/${encodeURIComponent(app)}`,
    createSocket: (url) => {
      const socket = new WebSocket(url, { headers: { cookie: person.cookieHeader, origin: person.server.origin } })
      sockets.push(socket)
      return socket
    },
    ...options,
  })
  session.sockets = sockets
  session.messages = []
  session.on('notification:*', (name, data) => session.messages.push({ name, data }))
  return session
}

/** A visitor's open app: the document, its session, and a way to end both. */
export async function visit(server, app, options = {}) {
  const person = server.somebody()
  await person.page('/public/hub')
  return open(person, app, { base: '/public', ...options })
}

export async function open(person, app, options) {
  const session = connect(person, app, options)
  const global = await session.open()
  const doc = await global.openDoc(app)
  const close = async () => {
    await session.close()
    await person.end(options.base)
  }
  return { person, session, global, doc, close }
}

/** Sends any method, whether enigma knows it or not. */
export function send(session, handle, method, params) {
  return session.send({ handle, method, params, outKey: -1 })
}

export const field = (name, more = {}) => ({ qDef: { qFieldDefs: [`[${name}]`], qSortCriterias: [{ qSortByNumeric: 1, qSortByAscii: 1 }] }, ...more })
export const measure = (expression, more = {}) => ({ qDef: { qDef: expression }, ...more })

/** A session object with a cube. */
export function cube(doc, dimensions, measures, more = {}) {
  return doc.createSessionObject({
    qInfo: { qType: 'test-cube' },
    qHyperCubeDef: {
      qDimensions: dimensions,
      qMeasures: measures,
      qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: dimensions.length + measures.length, qHeight: 1000 }],
      ...more,
    },
  })
}

/** The rows of a straight cube's first page as plain values. */
export async function rows(object) {
  const { qHyperCube } = await object.getLayout()
  return qHyperCube.qDataPages.flatMap((page) => page.qMatrix).map((row) => row.map((cell, at) => (at < qHyperCube.qDimensionInfo.length ? cell.qText : cell.qNum)))
}

/** A session list object on a field. */
export function list(doc, name) {
  return doc.createSessionObject({
    qInfo: { qType: 'test-list' },
    qListObjectDef: { ...field(name), qShowAlternatives: true, qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 1, qHeight: 1000 }] },
  })
}

/** `{ text: state }` of a list object's values. */
export async function states(object) {
  const { qListObject } = await object.getLayout()
  const cells = qListObject.qDataPages.flatMap((page) => page.qMatrix).flat()
  return Object.fromEntries(cells.map((cell) => [cell.qText, cell.qState]))
}

/** Selects values of a list object by their texts. */
export async function pick(object, texts, toggle = false) {
  const { qListObject } = await object.getLayout()
  const cells = qListObject.qDataPages.flatMap((page) => page.qMatrix).flat()
  const elements = texts.map((text) => {
    const cell = cells.find((one) => one.qText === text)
    if (!cell) throw new Error(`no value "${text}" among ${cells.map((one) => one.qText).join(', ')}`)
    return cell.qElemNumber
  })
  return object.selectListObjectValues('/qListObjectDef', elements, toggle)
}
