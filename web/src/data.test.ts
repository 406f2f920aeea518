import { expect, test } from 'vitest'
import { pageData } from './data'

const least = { base: '', entrance: { prefix: '', anonymous: 'never' }, product: { name: 'Loggia', version: '1' }, me: { isAnonymous: true, name: 'Visitor' }, csrf: 't' }

test('the least data block is enough', () => {
  const data = pageData(least, '')
  expect(data.me).toMatchObject({ isAnonymous: true, name: 'Visitor' })
  expect(data.hub).toBeUndefined()
})

test('null and absent mean the same', () => {
  const app = { id: 'a', name: 'A', description: null, lastReload: null, thumbnail: null, owner: 'o' }
  const data = pageData({ ...least, hub: { streams: [{ id: 's', name: 'S', apps: [app] }] } }, '')
  expect(data.hub?.streams[0]?.apps[0]).toEqual({ id: 'a', name: 'A', description: '', lastReload: undefined, thumbnail: undefined, owner: 'o', may: [] })
})

test('a wrong block names the place', () => {
  const broken = { ...least, hub: { streams: [{ id: 's', name: 7, apps: [] }] } }
  expect(() => pageData(broken, '')).toThrow('hub.streams[0].name should be text')
  expect(() => pageData(null, '')).toThrow('value should be an object')
})
