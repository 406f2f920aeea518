import { expect, test } from 'vitest'
import { freshness } from './freshness'

const now = Date.parse('2026-11-24T12:00:00Z')

test.each([
  [undefined, 'no data yet'],
  ['not a date', 'no data yet'],
  ['2026-11-24T11:59:30Z', 'reloaded just now'],
  ['2026-11-24T12:00:30Z', 'reloaded just now'],
  ['2026-11-24T11:48:00Z', 'reloaded 12 min ago'],
  ['2026-11-24T10:00:00Z', 'reloaded 2 h ago'],
  ['2026-11-23T09:00:00Z', 'reloaded yesterday'],
  ['2026-11-14T09:00:00Z', 'reloaded 10 days ago'],
  ['2026-03-12T09:00:00Z', 'reloaded 12 Mar 2026'],
])('%s reads as "%s"', (at, expected) => {
  expect(freshness(at, now)).toBe(expected)
})
