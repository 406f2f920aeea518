import { effect, signal } from '@preact/signals'
import type { Message, PageData } from '../data'
import { shownTheme } from '../kit/theme'
import { socketUrl } from '../paths'
import { openAs } from './deepLink'
import type { Ending, Live } from './engine'
import { codeOf, codes } from './qix'
import { endOf, whyRefused } from './refusal'

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live'; readonly live: Live }
  | { readonly kind: 'refused'; readonly message: Message }

export type Trouble =
  | { readonly kind: 'none' }
  /** The socket is gone; shown only once it lasts. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'ended'; readonly text: string }

export const connection = signal<Connection>({ kind: 'connecting' })
export const trouble = signal<Trouble>({ kind: 'none' })

/** Waits between attempts; the last one repeats. */
const waits = [500, 1000, 2000, 4000]
/** How long a lost socket stays our secret. */
const quietFor = 3000

let isOver = false

/** Opens the app and keeps it open. Everything it learns shows in `connection` and `trouble`. */
export function connect(data: PageData, app: string) {
  const url = socketUrl(location, data.base, app)
  const engine = import('./engine')

  const start = async (attempt: number): Promise<void> => {
    const { open } = await engine
    try {
      const live = await open(url, app, shownTheme.value, {
        onLost: () => void recover(live),
        onEnded: (name, params) => end(data, name, params),
      })
      if (isOver) return
      await openAs(data, app, live.doc)
      connection.value = { kind: 'live', live }
      trouble.value = { kind: 'none' }
    } catch (error) {
      if (isOver) return
      await retryUnlessRefused(error, attempt)
    }
  }

  /** A socket that does not open says nothing about why; the page's own API does. */
  const retryUnlessRefused = async (error: unknown, attempt: number): Promise<void> => {
    console.warn('loggia: the app could not be opened', error)
    const refusal = await whyRefused(data, app)
    if (refusal) {
      isOver = true
      connection.value = { kind: 'refused', message: refusal }
      return
    }
    if (attempt > 0) trouble.value = { kind: 'lost' }
    await pause(attempt)
    return start(attempt + 1)
  }

  const recover = async (live: Live): Promise<void> => {
    if (isOver) return
    const timer = setTimeout(() => {
      if (!isOver) trouble.value = { kind: 'lost' }
    }, quietFor)
    try {
      for (let attempt = 0; !isOver; attempt += 1) {
        await pause(attempt)
        try {
          await live.session.resume(true)
          trouble.value = { kind: 'none' }
          return
        } catch (error) {
          if (isOver) return
          if (codeOf(error) === codes.notAttached) {
            // The server no longer holds our objects: build the page's side anew.
            await live.session.close().catch(() => undefined)
            return await start(0)
          }
          const refusal = await whyRefused(data, app)
          if (refusal) {
            isOver = true
            connection.value = { kind: 'refused', message: refusal }
            return
          }
        }
      }
    } finally {
      clearTimeout(timer)
    }
  }

  effect(() => {
    const theme = shownTheme.value
    if (connection.value.kind === 'live') void connection.value.live.nebula.context({ theme })
  })

  void start(0)
}

function pause(attempt: number): Promise<void> {
  const wait = waits[Math.min(attempt, waits.length - 1)] ?? 4000
  return new Promise((resolve) => {
    const timer = setTimeout(done, wait)
    window.addEventListener('online', done, { once: true })
    function done() {
      clearTimeout(timer)
      window.removeEventListener('online', done)
      resolve()
    }
  })
}

function end(data: PageData, name: Ending, params: unknown) {
  if (isOver) return
  isOver = true
  const how = endOf(data, name, params)
  if (how.kind === 'ended') trouble.value = how
  else connection.value = how
}
