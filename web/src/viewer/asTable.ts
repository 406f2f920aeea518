import { list, or, record, text, type Decode } from '../kit/decode'
import { optionsOf } from './charts'
import type { Live } from './engine'

/**
 * Charts whose data reads well as a table; tables, lists and figures already are what they are. The
 * packages of these answer no keys, so that their table is also the way to work them by keyboard.
 */
export const readsAsTable: ReadonlySet<string> = new Set(['barchart', 'linechart', 'piechart', 'scatterplot', 'pivot-table', 'sn-pivot-table'])

/** A table of a chart's data, which follows selections like any other object. */
export async function renderAsTable(live: Live, id: string, element: HTMLElement) {
  const model = await live.doc.getObject(id)
  const { title, subtitle, fields } = tableOf(await model.getEffectiveProperties())
  return live.nebula.render({
    element,
    type: 'table',
    fields,
    properties: { title, subtitle, showTitles: title !== '' },
    options: optionsOf('table'),
  })
}

interface Column {
  readonly qLibraryId: string
  readonly qDef: Readonly<Record<string, unknown>>
}

interface Source {
  readonly title: string
  readonly subtitle: string
  readonly qHyperCubeDef: { readonly qDimensions: readonly Column[]; readonly qMeasures: readonly Column[] }
}

const anything: Decode<Readonly<Record<string, unknown>>> = (value) => (typeof value === 'object' && value !== null ? { ...value } : {})
const columns = or(list(record<Column>({ qLibraryId: or(text, ''), qDef: anything })), [])
const source = record<Source>({
  // A title may also be an expression, which the chart shows and the table can do without.
  title: plain,
  subtitle: plain,
  qHyperCubeDef: record<Source['qHyperCubeDef']>({ qDimensions: columns, qMeasures: columns }),
})

function plain(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The columns of a chart as a new table takes them: what they are of, without what the chart made of them. */
export function tableOf(properties: unknown) {
  const { title, subtitle, qHyperCubeDef } = source(properties, '')
  const fields = [...qHyperCubeDef.qDimensions, ...qHyperCubeDef.qMeasures].map(({ qLibraryId, qDef }) => {
    const { cId: _, ...rest } = qDef
    return { ...(qLibraryId ? { qLibraryId } : {}), qDef: rest }
  })
  return { title, subtitle, fields }
}
