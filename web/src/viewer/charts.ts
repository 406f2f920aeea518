import type { stardust } from '@nebula.js/stardust'

/** Chart types by the name objects carry, each loaded when a sheet first needs it. */
const packages: Readonly<Record<string, () => Promise<{ readonly default: stardust.Visualization }>>> = {
  barchart: () => import('@nebula.js/sn-bar-chart'),
  linechart: () => import('@nebula.js/sn-line-chart'),
  piechart: () => import('@nebula.js/sn-pie-chart'),
  kpi: () => import('@nebula.js/sn-kpi'),
  table: () => import('@nebula.js/sn-table'),
  scatterplot: () => import('@nebula.js/sn-scatter-plot'),
  'pivot-table': () => import('@nebula.js/sn-pivot-table'),
  filterpane: () => import('@nebula.js/sn-filter-pane'),
}

/** Names that apps made elsewhere use for the same charts. */
const aliases: Readonly<Record<string, string>> = {
  'sn-table': 'table',
  'sn-pivot-table': 'pivot-table',
}

/** Rendered by stardust itself, without a package. */
export const listbox = 'listbox'

export const types: stardust.TypeInfo[] = [...Object.keys(packages), ...Object.keys(aliases)].map((name) => ({
  name,
  load: async () => {
    const load = loader(name)
    if (!load) throw new Error(`no chart is called ${name}`)
    return (await load()).default
  },
}))

function loader(type: string) {
  return packages[aliases[type] ?? type]
}

export function isKnown(type: string): boolean {
  return type === listbox || loader(type) !== undefined
}

/** Starts fetching the code of the charts on a sheet; a failure shows later, in the cell that needs it. */
export function preload(names: Iterable<string>) {
  for (const name of new Set(names)) {
    loader(name)?.().catch(() => undefined)
  }
}
