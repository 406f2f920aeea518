import type { AppCard, Stream } from '../data'

/** The streams with only the apps whose name or description holds every word of the query. */
export function find(streams: readonly Stream[], query: string): readonly Stream[] {
  const words = fold(query).split(/\s+/).filter(Boolean)
  if (words.length === 0) return streams
  return streams
    .map((stream) => ({ ...stream, apps: stream.apps.filter((app) => matches(app, words)) }))
    .filter((stream) => stream.apps.length > 0)
}

function matches(app: AppCard, words: readonly string[]): boolean {
  const hay = fold(`${app.name} ${app.description}`)
  return words.every((word) => hay.includes(word))
}

/** Case and accents do not matter when searching. */
function fold(value: string): string {
  return value.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

export function count(streams: readonly Stream[]): number {
  return new Set(streams.flatMap((stream) => stream.apps.map((app) => app.id))).size
}
