const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** "reloaded 2 h ago": how old an app's data is, in the words of a card. */
export function freshness(lastReload: string | undefined, now: number): string {
  if (lastReload === undefined) return 'no data yet'
  const at = Date.parse(lastReload)
  if (Number.isNaN(at)) return 'no data yet'
  const age = now - at
  if (age < minute) return 'reloaded just now'
  if (age < hour) return `reloaded ${Math.floor(age / minute)} min ago`
  if (age < day) return `reloaded ${Math.floor(age / hour)} h ago`
  const days = Math.floor(age / day)
  if (days === 1) return 'reloaded yesterday'
  if (days < 30) return `reloaded ${days} days ago`
  return `reloaded ${new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' }).format(at)}`
}

/** The exact moment in the reader's zone, for titles. */
export function moment(iso: string | undefined): string | undefined {
  if (!iso) return undefined
  const at = Date.parse(iso)
  if (Number.isNaN(at)) return undefined
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}
