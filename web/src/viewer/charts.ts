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
    return withWords((await load()).default)
  },
}))

/**
 * What the charts say to those who hear them, which stardust's own dictionary lacks. An empty label
 * leaves a button the name that it shows.
 */
const words: Readonly<Record<string, string>> = {
  'Accessibility.Normal.Instructions': '',
  'Accessibility.Alternative.Instructions': '',
  'Accessibility.Popover.Instructions': 'Choose what to show here',
}

function withWords(chart: stardust.Visualization): stardust.Visualization {
  return (galaxy) => {
    for (const [id, text] of Object.entries(words)) galaxy.translator.add({ id, locale: { 'en-US': text } })
    return chart(galaxy)
  }
}

function loader(type: string) {
  return packages[aliases[type] ?? type]
}

export function isKnown(type: string): boolean {
  return type === listbox || loader(type) !== undefined
}

/**
 * A table that scrolls without end draws boxes that no key reaches; one in pages is a real table, with
 * arrows, sorting and selecting by keyboard. Whatever an app chose, we show the one all can use.
 */
const inPages = { viewState: { usePagination: true } }

/** How a chart is to be rendered beyond what its object says. */
export function optionsOf(type: string): Readonly<Record<string, unknown>> {
  return (aliases[type] ?? type) === 'table' ? inPages : {}
}

/** Starts fetching the code of the charts on a sheet; a failure shows later, in the cell that needs it. */
export function preload(names: Iterable<string>) {
  for (const name of new Set(names)) {
    loader(name)?.().catch(() => undefined)
  }
}
