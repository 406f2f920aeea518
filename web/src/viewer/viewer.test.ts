import { expect, test, vi } from 'vitest'
import type { PageData } from '../data'
import { tableOf } from './asTable'
import { valueOf } from './deepLink'
import { readValues, searchPattern } from './fieldValues'
import { endOf } from './refusal'
import { chipText, readSelections, summary, type FieldSelection } from './selections'
import { neighbour, pairs, readingOrder, readSheet } from './sheetLayout'

test('a sheet is read with its cells kept inside the grid', () => {
  const sheet = readSheet({
    qMeta: { title: 'Overview' },
    cells: [
      { name: 'a', type: 'kpi', col: 0, row: 0, colspan: 6, rowspan: 3 },
      { name: 'b', type: 'barchart', col: 20, row: 10, colspan: 12, rowspan: 12 },
      { name: 'c', type: 'table', bounds: { x: 50, y: 25, width: 50, height: 75 } },
      { name: 'd' },
    ],
  })
  expect(sheet).toMatchObject({ title: 'Overview', columns: 24, rows: 12 })
  expect(sheet.cells.map(({ id, col, row, colspan, rowspan }) => `${id} ${col},${row} ${colspan}×${rowspan}`)).toEqual([
    'a 0,0 6×3',
    'b 20,10 4×2',
    'c 12,3 12×9',
    'd 0,0 24×12',
  ])
})

const cell = (id: string, type: string, row: number, col: number) => ({ id, type, row, col, colspan: 1, rowspan: 1 })

test('cells are read from the top, then from the left', () => {
  const cells = [cell('c', 'x', 3, 0), cell('b', 'x', 0, 6), cell('a', 'x', 0, 0)]
  expect(readingOrder(cells).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
})

test('figures that follow each other share a line, an odd one takes it all', () => {
  const cells = [cell('1', 'kpi', 0, 0), cell('2', 'kpi', 0, 1), cell('3', 'kpi', 0, 2), cell('bar', 'barchart', 1, 0), cell('4', 'kpi', 2, 0)]
  expect([...pairs(cells)]).toEqual(['1', '2'])
})

test('the next sheet goes around the ends', () => {
  const sheets = [{ id: 'a' }, { id: 'b' }, { id: 'c' }]
  expect(neighbour(sheets, 'a', -1)).toBe('c')
  expect(neighbour(sheets, 'c', 1)).toBe('a')
  expect(neighbour(sheets, undefined, 1)).toBe('a')
  expect(neighbour(sheets, undefined, -1)).toBe('c')
  expect(neighbour([], 'a', 1)).toBeUndefined()
})

const field = (change: Partial<FieldSelection>): FieldSelection => ({
  field: 'Carrier', name: 'Carrier', selected: 1, total: 16, isLocked: false, isHidden: false, text: '', values: [], ...change,
})

test.each([
  [{ values: ['Delta'] }, 'Delta'],
  [{ selected: 3, values: ['A', 'B', 'C'] }, 'A, B, C'],
  [{ selected: 4, values: ['A', 'B', 'C', 'D'] }, '4 of 16'],
  [{ selected: 7, values: ['A'] }, '7 of 16'],
  [{ selected: 16 }, 'all 16'],
  [{ selected: 1, total: 1, values: ['Only'] }, 'Only'],
  [{ text: 'JFK' }, 'JFK'],
  [{ selected: 0 }, 'nothing possible'],
] as const)('the chip of %j says "%s"', (change, expected) => {
  expect(chipText(field(change))).toBe(expected)
})

test('the current selections are read and summed up', () => {
  const selections = readSelections({
    qSelectionObject: {
      qBackCount: 2,
      qSelections: [
        { qField: '[Carrier name]', qSelectedCount: 1, qTotal: 16, qSelected: 'Delta', qSelectedFieldSelectionInfo: [{ qName: 'Delta' }] },
        { qField: 'Month', qReadableName: 'Month', qSelectedCount: 5, qTotal: 12, qSelected: '5 of 12', qLocked: true },
      ],
    },
  })
  expect(selections).toMatchObject({ back: 2, forward: 0 })
  expect(summary(selections)).toBe('Carrier name: Delta; Month: 5 of 12')
})

test('a field’s values are read with what they are now', () => {
  const cell = (qText: string, qElemNumber: number, qState: string) => [{ qText, qElemNumber, qState }]
  const { total, values } = readValues({
    qListObject: {
      qSize: { qcx: 1, qcy: 900 },
      qDataPages: [{ qMatrix: [cell('JFK', 1, 'S'), cell('LGA', 2, 'A'), cell('EWR', 0, 'XL'), cell('-', -2, 'O'), cell('BOS', 4, 'new')] }],
    },
  })
  expect(total).toBe(900)
  expect(values.map(({ text, state, isLocked }) => `${text} ${state}${isLocked ? ' locked' : ''}`)).toEqual(['JFK selected', 'LGA alternative', 'EWR excluded locked', 'BOS possible'])
})

test.each([
  ['  ', ''],
  ['new york', '*new york*'],
  ['J*', 'J*'],
  ['>=10', '>=10'],
])('searching for "%s" asks the engine for "%s"', (typed, expected) => {
  expect(searchPattern(typed)).toBe(expected)
})

test('a chart’s columns become a table’s, without what belongs to the chart', () => {
  const table = tableOf({
    title: 'Delays',
    subtitle: { qStringExpression: { qExpr: "='x'" } },
    color: { auto: true },
    qHyperCubeDef: {
      qDimensions: [{ qLibraryId: 'lib', qDef: { cId: 'a', qFieldDefs: [] } }, { qDef: { cId: 'b', qFieldDefs: ['[Airline]'] }, qOtherTotalSpec: {} }],
      qMeasures: [{ qDef: { cId: 'c', qDef: 'Avg(Delay)', qLabel: 'Delay' } }],
    },
  })
  expect(table).toEqual({
    title: 'Delays',
    subtitle: '',
    fields: [{ qLibraryId: 'lib', qDef: { qFieldDefs: [] } }, { qDef: { qFieldDefs: ['[Airline]'] } }, { qDef: { qDef: 'Avg(Delay)', qLabel: 'Delay' } }],
  })
})

test('an ending shows the code and the reference that its sentence carries', () => {
  vi.stubGlobal('location', { pathname: '/public/sense/app/x' })
  const data = {
    base: '/public',
    entrance: { prefix: 'public', anonymous: 'always' },
    me: { isAnonymous: true, name: 'Visitor', loginUrl: '' },
  } as unknown as PageData
  const licence = endOf(data, 'OnLicenseAccessDenied', { message: 'No licence covers this visit (LIC-ANON-KIND, reference 8CGA12)' })
  expect(licence).toMatchObject({
    kind: 'refused',
    message: { code: 'LIC-ANON-KIND', reference: '8CGA12', title: 'No access for visitors', text: 'No licence covers this visit.' },
  })
  const empty = endOf(data, 'OnLicenseAccessDenied', {
    message: 'The capacity is used up. Come back on 1 December (LIC-EMPTY, reference 8CGA12)',
    title: 'No capacity left', text: 'The capacity is used up. Come back on 1 December.', code: 'LIC-EMPTY', reference: '8CGA12', renews: '2026-12-01T00:00:00.000Z',
  })
  expect(empty).toMatchObject({
    kind: 'refused',
    message: { code: 'LIC-EMPTY', reference: '8CGA12', title: 'No capacity left', text: 'The capacity is used up. Come back on 1 December.', renews: '2026-12-01T00:00:00.000Z', principal: undefined },
  })
  const rule = endOf(data, 'OnSessionClosed', { message: 'Access denied (RULE-DENIED, reference K7JHEX)' })
  expect(rule).toEqual({ kind: 'ended', text: 'The server ended this session. What you see is the last state. (RULE-DENIED, reference K7JHEX)' })
})

test.each([
  ['2025', { qText: '2025', qIsNumeric: true, qNumber: 2025 }],
  ['-1.5', { qText: '-1.5', qIsNumeric: true, qNumber: -1.5 }],
  ['007', { qText: '007', qIsNumeric: false, qNumber: 0 }],
  ['Infinity', { qText: 'Infinity', qIsNumeric: false, qNumber: 0 }],
  ['North', { qText: 'North', qIsNumeric: false, qNumber: 0 }],
])('a deep link’s value %j is sent as %j', (value, sent) => {
  expect(valueOf(value)).toEqual(sent)
})
