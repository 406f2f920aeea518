import { expect, test } from 'vitest'
import { loginPath, paths, safeTarget, sheetOf, socketUrl, streamOf } from './paths'

test('addresses stay under their entrance and escape what they carry', () => {
  expect(paths.sheet('/public', 'a b', 'x/y')).toBe('/public/sense/app/a%20b/sheet/x%2Fy/state/analysis')
  expect(paths.hub('')).toBe('/hub')
  expect(paths.stream('', 'ü')).toBe('/hub/stream/%C3%BC')
})

test('the sheet of an address is read back, with or without its state', () => {
  expect(sheetOf(paths.sheet('/public', 'a', 'x/y'), '/public', 'a')).toBe('x/y')
  expect(sheetOf('/sense/app/a/sheet/s1', '', 'a')).toBe('s1')
  expect(sheetOf('/sense/app/a', '', 'a')).toBeUndefined()
  expect(sheetOf('/sense/app/a/sheet/', '', 'a')).toBeUndefined()
  expect(sheetOf('/sense/app/other/sheet/s1', '', 'a')).toBeUndefined()
  expect(sheetOf('/sense/app/a/sheet/%E0%A4', '', 'a')).toBeUndefined()
})

test('the stream of a hub address', () => {
  expect(streamOf('/public/hub/stream/s-1', '/public')).toBe('s-1')
  expect(streamOf('/public/hub', '/public')).toBeUndefined()
})

test('signing in comes back to the page that was left', () => {
  expect(loginPath('/public', undefined, '/public/hub?q=a b')).toBe('/public/login?target=%2Fpublic%2Fhub%3Fq%3Da%20b')
  expect(loginPath('', '/sso?tenant=1', '/hub')).toBe('/sso?tenant=1&target=%2Fhub')
})

test.each(['https://elsewhere.example', '//elsewhere.example', '/\\elsewhere.example', '', null])(
  'never sends anyone to %s',
  (target) => {
    expect(safeTarget(target, '/hub')).toBe('/hub')
  },
)

test('the socket follows the page’s scheme and entrance', () => {
  expect(socketUrl({ protocol: 'https:', host: 'h:1' }, '/public', 'a b')).toBe('wss://h:1/public/app/a%20b')
  expect(socketUrl({ protocol: 'http:', host: 'h' }, '', 'x')).toBe('ws://h/app/x')
})
