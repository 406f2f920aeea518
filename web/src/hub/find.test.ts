import { expect, test } from 'vitest'
import type { AppCard, Stream } from '../data'
import { count, find } from './find'
import { numbersFrom } from './seed'

const app = (id: string, name: string, description = ''): AppCard => ({
  id, name, description, lastReload: undefined, owner: '', thumbnail: undefined, may: [],
})
const streams: readonly Stream[] = [
  { id: '1', name: 'Everyone', apps: [app('a', 'Flights', 'Delays at New York'), app('b', 'Café sales')] },
  { id: '2', name: 'Team', apps: [app('b', 'Café sales')] },
]

test('every word must be found in the name or the description, whatever the case and accents', () => {
  expect(find(streams, 'new DELAY').map((stream) => stream.apps.map(({ id }) => id))).toEqual([['a']])
  expect(find(streams, 'cafe').map((stream) => stream.id)).toEqual(['1', '2'])
  expect(find(streams, 'nothing')).toEqual([])
  expect(find(streams, '  ')).toBe(streams)
})

test('an app in two streams is counted once', () => {
  expect(count(streams)).toBe(2)
})

test('a seed always gives the same numbers, all in [0, 1)', () => {
  const [first, again] = [numbersFrom('x'), numbersFrom('x')]
  for (let i = 0; i < 100; i += 1) {
    const number = first()
    expect(number).toBe(again())
    expect(number).toBeGreaterThanOrEqual(0)
    expect(number).toBeLessThan(1)
  }
})
