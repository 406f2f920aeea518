import { codeOf, codes } from './qix'

/**
 * Charts ask on while the socket is gone, and nobody hears what they are answered. The page says so in
 * its own words; the console need not.
 */
export function ignoreUnheard(target: EventTarget) {
  target.addEventListener('unhandledrejection', (event) => {
    if ('reason' in event && isUnheard(event.reason)) event.preventDefault()
  })
}

function isUnheard(reason: unknown): boolean {
  const code = codeOf(reason)
  return code === codes.suspended || code === codes.notConnected
}
