import { embed } from '@nebula.js/stardust'
import enigma from 'enigma.js'
import schema from 'enigma.js/schemas/12.2027.0.json'
import { types } from './charts'
import { codeOf, codes, type Doc, type Global } from './qix'
import { themes } from './themes'

export interface Live {
  readonly session: EnigmaJS.Session
  readonly doc: Doc
  readonly nebula: Nebula
}

export type Nebula = ReturnType<typeof embed>

export interface Events {
  /** The socket is gone though nobody closed it. */
  readonly onLost: () => void
  /** The server says why it ends the session or refuses it, by the notification's name. */
  readonly onEnded: (name: Ending, params: unknown) => void
}

/** Notifications after which the server closes the socket for good. */
export const endings = [
  'OnSessionLoggedOut',
  'OnSessionTimedOut',
  'OnSessionClosed',
  'OnLicenseAccessDenied',
  'OnMaxParallelSessionsExceeded',
  'OnNoEngineAvailable',
] as const

export type Ending = (typeof endings)[number]

const maxRetries = 3

/** Asks again when the engine dropped a calculation because a newer selection overtook it. */
function retryAborted(): EnigmaJS.ResponseInterceptors {
  const tries = new WeakMap<object, number>()
  return {
    onRejected(_session, request, error) {
      const count = tries.get(request) ?? 0
      if (codeOf(error) !== codes.aborted || count >= maxRetries || !('retry' in request)) return Promise.reject(error)
      tries.set(request, count + 1)
      return typeof request.retry === 'function' ? request.retry() : Promise.reject(error)
    },
  }
}

export async function open(url: string, app: string, look: 'light' | 'dark', events: Events): Promise<Live> {
  const session = enigma.create({ schema, url, suspendOnClose: true, responseInterceptors: [retryAborted()] })
  for (const name of endings) {
    session.on(`notification:${name}`, (params: unknown) => events.onEnded(name, params))
  }
  session.on('suspended', (event: unknown) => {
    const isManual = typeof event === 'object' && event !== null && 'initiator' in event && event.initiator === 'manual'
    if (!isManual) events.onLost()
  })
  const global = await session.open<Global>()
  const doc = await openDoc(global, app)
  return { session, doc, nebula: embedIn(doc, look) }
}

/** A second window of the same person shares the engine session, where the app is already open. */
async function openDoc(global: Global, app: string): Promise<Doc> {
  try {
    return await global.openDoc(app)
  } catch (error) {
    if (codeOf(error) !== codes.appAlreadyOpen) throw error
    return global.getActiveDoc()
  }
}

function embedIn(doc: Doc, look: 'light' | 'dark') {
  return embed(doc, {
    types,
    themes: [
      { id: 'light', load: () => Promise.resolve(themes.light) },
      { id: 'dark', load: () => Promise.resolve(themes.dark) },
    ],
    context: { theme: look, language: 'en-US', keyboardNavigation: true, deviceType: 'auto' },
  })
}
