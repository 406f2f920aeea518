// A tiny engine for page tests: static numbers, one selectable field. It answers what the pages and charts ask
// so that they paint; whether numbers are right is tested against the real engine.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const defaults = (type) => JSON.parse(readFileSync(join(import.meta.dirname, `../../demo/defaults/${type}.json`), 'utf8'))

const carriers = ['United', 'JetBlue', 'ExpressJet', 'Delta', 'American', 'Envoy', 'US Airways', 'Endeavor']
const flights = [58665, 54635, 54173, 48110, 32729, 26397, 20536, 18460]
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const delays = [10, 10.8, 13.2, 13.9, 13, 20.8, 21.7, 12.6, 6.7, 6.2, 5.4, 16.6]
const origins = ['EWR', 'JFK', 'LGA']
const perOrigin = [120835, 111279, 104662]

const count = (names) => ({ qLocked: 0, qSelected: 0, qOption: names.length, qDeselected: 0, qAlternative: 0, qExcluded: 0, qSelectedExcluded: 0, qLockedExcluded: 0 })
const format = { qType: 'U', qnDec: 0, qUseThou: 0 }
const number = (value) => ({ qText: value.toLocaleString('en-GB'), qNum: value, qElemNumber: 0, qState: 'L' })

function dimensionInfo(field, names) {
  return {
    qFallbackTitle: field, qApprMaxGlyphCount: Math.max(...names.map((name) => name.length)), qCardinal: names.length,
    qSortIndicator: 'A', qGroupFallbackTitles: [field], qGroupPos: 0, qGroupFieldDefs: [field], qGrouping: 'N', qStateCounts: count(names),
    qTags: ['$ascii', '$text'], qDimensionType: 'D', qNumFormat: format, qIsAutoFormat: true, qMin: 'NaN', qMax: 'NaN',
    qAttrExprInfo: [], qAttrDimInfo: [], qCardinalities: { qCardinal: names.length, qHypercubeCardinal: names.length, qAllValuesCardinal: -1 }, cId: `d-${field}`,
  }
}

function measureInfo(label, values) {
  return {
    qFallbackTitle: label, qApprMaxGlyphCount: 8, qCardinal: 0, qSortIndicator: 'D', qNumFormat: format, qIsAutoFormat: true,
    qMin: Math.min(...values), qMax: Math.max(...values), qAttrExprInfo: [], qAttrDimInfo: [], qTrendLines: [], cId: `m-${label}`,
  }
}

/** A straight cube over one dimension (or none) and some measures. */
function cube(mode, field, names, measures, selected) {
  const dims = field ? 1 : 0
  const length = field ? names.length : 1
  const rows = Array.from({ length }, (_, row) => [
    ...(field ? [{ qText: names[row], qNum: 'NaN', qElemNumber: row, qState: selected(field, row) }] : []),
    ...measures.map(([, values]) => number(values[row])),
  ])
  const width = dims + measures.length
  return {
    qSize: { qcx: width, qcy: length }, qMode: mode,
    qDimensionInfo: field ? [dimensionInfo(field, names)] : [],
    qMeasureInfo: measures.map(([label, values]) => measureInfo(label, values)),
    qEffectiveInterColumnSortOrder: Array.from({ length: width }, (_, i) => i),
    qGrandTotalRow: measures.map(([, values]) => ({ ...number(values.reduce((a, b) => a + b, 0)), qElemNumber: -1, qState: 'X', qIsTotalCell: true })),
    qDataPages: [{ qArea: { qLeft: 0, qTop: 0, qWidth: width, qHeight: length }, qTails: [], qMatrix: rows }],
    qPivotDataPages: [], qStackedDataPages: [], qNoOfLeftDims: -1, qTreeNodesOnDim: [], qColumnOrder: [],
  }
}

function pivotCube(field, names, label, values) {
  const base = cube('P', field, names, [[label, values]], () => 'O')
  const left = names.map((name, row) => ({ qText: name, qElemNo: row, qValue: 'NaN', qCanExpand: false, qCanCollapse: false, qUp: 0, qDown: 0, qRow: row, qType: 'N', qSubNodes: [] }))
  return {
    ...base, qSize: { qcx: 1, qcy: names.length }, qNoOfLeftDims: 1, qDataPages: [], qEffectiveInterColumnSortOrder: [0],
    qPivotDataPages: [{
      qLeft: left, qTop: [{ qText: label, qElemNo: -1, qValue: 'NaN', qCanExpand: false, qCanCollapse: false, qUp: 0, qDown: 0, qRow: 0, qType: 'P', qSubNodes: [] }],
      qData: values.map((value) => [{ qText: value.toLocaleString('en-GB'), qNum: value, qType: 'V', qLabel: '' }]),
      qArea: { qLeft: 0, qTop: 0, qWidth: 1, qHeight: names.length },
    }],
  }
}

const objects = {
  'k-flights': ['kpi', '', null, [], [['Flights', [336776]]]],
  'k-delay': ['kpi', '', null, [], [['Average delay, min', [12.6]]]],
  bar: ['barchart', 'Flights by airline', 'Airline', carriers, [['Flights', flights]]],
  line: ['linechart', 'Average delay by month', 'Month', months, [['Delay', delays]]],
  pie: ['piechart', 'Flights by airport', 'Origin', origins, [['Flights', perOrigin]]],
  scatter: ['scatterplot', 'Delay and traffic', 'Airline', carriers, [['Flights', flights], ['Delay', delays.slice(0, 8)]]],
  table: ['table', 'Airlines', 'Airline', carriers, [['Flights', flights], ['Delay', delays.slice(0, 8)]]],
  pivot: ['pivot-table', 'Airports', 'Origin', origins, [['Flights', perOrigin]]],
}

const cells = [
  ['filters', 'filterpane', 0, 0, 4, 12],
  ['k-flights', 'kpi', 4, 0, 5, 2],
  ['k-delay', 'kpi', 9, 0, 5, 2],
  ['bar', 'barchart', 4, 2, 10, 5],
  ['line', 'linechart', 14, 0, 10, 4],
  ['pie', 'piechart', 14, 4, 5, 4],
  ['scatter', 'scatterplot', 19, 4, 5, 4],
  ['table', 'table', 4, 7, 10, 5],
  ['pivot', 'pivot-table', 14, 8, 6, 4],
  ['odd', 'treemap', 20, 8, 4, 4],
].map(([name, type, col, row, colspan, rowspan]) => ({ name, type, col, row, colspan, rowspan }))

/** One engine session. `answer(text)` takes a frame and returns the frames to send back. */
export function createEngine() {
  const handles = new Map()
  const created = new Map()
  const lists = { 'list-airline': ['Airline', carriers], 'list-origin': ['Origin', origins] }
  let selected = []
  let past = []
  let future = []
  const state = (field, row) => (field !== 'Airline' || selected.length === 0 ? 'O' : selected.includes(row) ? 'S' : 'A')
  const select = (next) => {
    past.push(selected)
    future = []
    selected = next
  }
  const all = () => [...handles.keys()]
  const open = (id, type) => {
    for (const [handle, item] of handles) if (item.id === id) return reference(handle, item)
    const handle = handles.size + 1
    handles.set(handle, { id, type })
    return reference(handle, { id, type })
  }
  const reference = (handle, { id, type }) => ({ qType: id === 'doc' ? 'Doc' : type === 'field' ? 'Field' : 'GenericObject', qHandle: handle, qGenericType: type, qGenericId: id })

  const listLayout = (id) => {
    const [field, names] = lists[id]
    const matrix = names.map((name, row) => [{ qText: name, qNum: 'NaN', qElemNumber: row, qState: state(field, row) }])
    return {
      ...defaults('listbox').properties, qInfo: { qId: id, qType: 'listbox' }, title: field, qMeta: { privileges: ['read'] }, qSelectionInfo: {},
      qListObject: {
        qSize: { qcx: 1, qcy: names.length }, qDimensionInfo: dimensionInfo(field, names), qExpressions: [],
        qDataPages: [{ qArea: { qLeft: 0, qTop: 0, qWidth: 1, qHeight: names.length }, qTails: [], qMatrix: matrix }],
      },
    }
  }

  const layout = ({ id, type }) => {
    if (type === 'current-selections') {
      const names = selected.map((row) => carriers[row])
      return {
        qInfo: { qId: id, qType: type },
        qSelectionObject: {
          qBackCount: past.length, qForwardCount: future.length,
          qSelections: names.length === 0 ? [] : [{
            qField: 'Airline', qReadableName: 'Airline', qTotal: carriers.length, qSelectedCount: names.length, qSelected: names.join(', '), qIsNum: false, qLocked: false,
            qOneAndOnlyOne: false, qSortIndex: 0, qRangeInfo: [], qSelectionThreshold: 6, qStateCounts: count(carriers), qSelectedFieldSelectionInfo: names.map((qName) => ({ qName })), qDimensionReferences: [],
          }],
        },
      }
    }
    if (type === 'sheet') return { qInfo: { qId: id, qType: 'sheet' }, qMeta: { title: 'Overview', privileges: ['read'] }, qSelectionInfo: {}, columns: 24, rows: 12, cells, qChildList: { qItems: [] } }
    if (id === 'doc') return { qTitle: 'Flights from New York', qStateNames: [], permissions: {} }
    if (lists[id]) return listLayout(id)
    if (id === 'filters') {
      return { ...defaults('filterpane').properties, qInfo: { qId: id, qType: type }, qMeta: { privileges: ['read'] }, qSelectionInfo: {}, qChildList: { qItems: ['list-airline', 'list-origin'].map((qId) => ({ qInfo: { qId, qType: 'listbox' }, qData: {} })) } }
    }
    const [listed] = created.get(id)?.qListObjectDef?.qDef.qFieldDefs ?? []
    if (listed) {
      lists[id] ??= Object.values(lists).find(([field]) => field === listed)
      return listLayout(id)
    }
    if (created.has(id)) return { ...created.get(id), qInfo: { qId: id, qType: type }, qMeta: { privileges: [] }, qSelectionInfo: {} }
    const [kind, title, field, names, measures] = objects[id]
    const { qHyperCubeDef: _, ...properties } = defaults(kind).properties
    const qHyperCube = kind === 'pivot-table' ? pivotCube(field, names, ...measures[0]) : cube('S', field, names, measures, state)
    return { ...properties, title, qInfo: { qId: id, qType: kind }, qMeta: { privileges: ['read'] }, qSelectionInfo: {}, qHyperCube }
  }

  const patches = new Map()
  const effective = ({ id }) => {
    if (!objects[id]) return {}
    const [kind, title] = objects[id]
    const properties = { ...defaults(kind).properties, title, qInfo: { qId: id, qType: kind } }
    for (const { qPath, qValue } of patches.get(id) ?? []) {
      const steps = qPath.split('/').slice(1)
      const last = steps.pop()
      steps.reduce((at, step) => (at[step] ??= {}), properties)[last] = JSON.parse(qValue)
    }
    return properties
  }

  const types = Object.fromEntries([...Object.entries(objects).map(([id, [type]]) => [id, type]), ['filters', 'filterpane'], ['overview', 'sheet'], ['list-airline', 'listbox'], ['list-origin', 'listbox']])

  const methods = {
    OpenDoc: () => ({ qReturn: open('doc', 'doc') }),
    GetAppLayout: () => ({ qLayout: layout({ id: 'doc' }) }),
    GetObject: ([id]) => {
      if (!types[id]) throw Object.assign(new Error('Object not found'), { code: 2 })
      return { qReturn: open(id, types[id]) }
    },
    GetField: ([name]) => ({ qReturn: open(`field ${name}`, 'field') }),
    CreateSessionObject: ([properties]) => {
      const { qId = `session-${handles.size}`, qType } = properties.qInfo
      created.set(qId, properties)
      return { qReturn: open(qId, qType) }
    },
    GetLayout: (_, target) => ({ qLayout: layout(target) }),
    GetProperties: (_, target) => ({ qProp: effective(target) }),
    GetEffectiveProperties: (_, target) => ({ qProp: effective(target) }),
    GetHyperCubeData: (_, target) => ({ qDataPages: layout(target).qHyperCube.qDataPages }),
    GetHyperCubeReducedData: (_, target) => ({ qDataPages: layout(target).qHyperCube.qDataPages }),
    GetHyperCubePivotData: (_, target) => ({ qDataPages: layout(target).qHyperCube.qPivotDataPages }),
    GetListObjectData: (_, target) => ({ qDataPages: layout(target).qListObject.qDataPages }),
    SelectHyperCubeValues: ([, , rows]) => (select(rows), { qSuccess: true }),
    SelectListObjectValues: ([, [row]], target) => {
      if (lists[target.id]?.[0] === 'Airline') select(selected.includes(row) ? selected.filter((other) => other !== row) : [...selected, row])
      return { qSuccess: true }
    },
    ApplyPatches: ([list], { id }) => {
      patches.set(id, [...(patches.get(id) ?? []), ...list])
      return {}
    },
    Clear: () => (select([]), { qReturn: true }),
    ClearAll: () => (select([]), {}),
    Back: () => {
      if (past.length > 0) {
        future.push(selected)
        selected = past.pop()
      }
      return { qSuccess: true }
    },
    Forward: () => {
      if (future.length > 0) {
        past.push(selected)
        selected = future.pop()
      }
      return { qSuccess: true }
    },
  }
  const changing = new Set(['SelectHyperCubeValues', 'SelectListObjectValues', 'Clear', 'ClearAll', 'Back', 'Forward', 'EndSelections'])

  return {
    greeting: JSON.stringify({ jsonrpc: '2.0', method: 'OnConnected', params: { qSessionState: 'SESSION_CREATED' } }),
    answer(text) {
      const { id, handle, method, params } = JSON.parse(text)
      try {
        const result = methods[method]?.(params, handles.get(handle) ?? { id: 'global' }) ?? {}
        return JSON.stringify({ jsonrpc: '2.0', id, result, ...(changing.has(method) ? { change: all() } : {}), ...(method === 'ApplyPatches' ? { change: [handle] } : {}) })
      } catch (error) {
        return JSON.stringify({ jsonrpc: '2.0', id, error: { code: error.code ?? -32603, message: error.message, parameter: '' } })
      }
    },
  }
}
