import { list, number, optional, or, record, text } from '../kit/decode'

export interface SheetLayout {
  readonly title: string
  readonly columns: number
  readonly rows: number
  readonly cells: readonly Cell[]
}

/** One object on a sheet and the grid lines it spans, counted from zero. */
export interface Cell {
  readonly id: string
  readonly type: string
  readonly col: number
  readonly row: number
  readonly colspan: number
  readonly rowspan: number
}

interface RawCell {
  readonly name: string
  readonly type: string
  readonly col: number | undefined
  readonly row: number | undefined
  readonly colspan: number | undefined
  readonly rowspan: number | undefined
  readonly bounds: Bounds | undefined
}

interface Bounds {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

interface RawSheet {
  readonly columns: number
  readonly rows: number
  readonly cells: readonly RawCell[]
  readonly qMeta: { readonly title: string } | undefined
}

const rawSheet = record<RawSheet>({
  columns: or(number, 24),
  rows: or(number, 12),
  cells: or(
    list(
      record<RawCell>({
        name: text,
        type: or(text, ''),
        col: optional(number),
        row: optional(number),
        colspan: optional(number),
        rowspan: optional(number),
        bounds: optional(record<Bounds>({ x: number, y: number, width: number, height: number })),
      }),
    ),
    [],
  ),
  qMeta: optional(record<{ title: string }>({ title: or(text, '') })),
})

/** Reads a sheet's layout, with every cell inside the grid and at least one line wide. */
export function readSheet(layout: unknown): SheetLayout {
  const raw = rawSheet(layout, '')
  const columns = clamp(Math.round(raw.columns), 1, 96)
  const rows = clamp(Math.round(raw.rows), 1, 500)
  return {
    title: raw.qMeta?.title ?? '',
    columns,
    rows,
    cells: raw.cells.map((cell) => place(cell, columns, rows)),
  }
}

function place(cell: RawCell, columns: number, rows: number): Cell {
  const wanted = cell.col === undefined || cell.row === undefined ? fromBounds(cell.bounds, columns, rows) : cell
  const col = clamp(Math.round(wanted.col ?? 0), 0, columns - 1)
  const row = clamp(Math.round(wanted.row ?? 0), 0, rows - 1)
  return {
    id: cell.name,
    type: cell.type,
    col,
    row,
    colspan: clamp(Math.round(wanted.colspan ?? 1), 1, columns - col),
    rowspan: clamp(Math.round(wanted.rowspan ?? 1), 1, rows - row),
  }
}

function fromBounds(bounds: Bounds | undefined, columns: number, rows: number) {
  if (!bounds) return { col: 0, row: 0, colspan: columns, rowspan: rows }
  return {
    col: (bounds.x / 100) * columns,
    row: (bounds.y / 100) * rows,
    colspan: (bounds.width / 100) * columns,
    rowspan: (bounds.height / 100) * rows,
  }
}

function clamp(value: number, low: number, high: number): number {
  if (Number.isNaN(value)) return low
  return Math.min(Math.max(value, low), high)
}

/** The order in which people read a sheet: from the top, and from the left within a row. */
export function readingOrder(cells: readonly Cell[]): readonly Cell[] {
  return [...cells].sort((a, b) => a.row - b.row || a.col - b.col)
}

/**
 * Which cells share a line on a narrow screen: a figure needs little room, so two that follow each
 * other stand side by side; a figure without a neighbour, and everything else, takes the whole width.
 */
export function pairs(cells: readonly Cell[]): ReadonlySet<string> {
  const halves = new Set<string>()
  let waiting: Cell | undefined
  for (const cell of cells) {
    if (cell.type !== 'kpi') {
      waiting = undefined
    } else if (waiting) {
      halves.add(waiting.id)
      halves.add(cell.id)
      waiting = undefined
    } else {
      waiting = cell
    }
  }
  return halves
}

/** The sheet before or after this one, around the ends. */
export function neighbour(sheets: readonly { readonly id: string }[], current: string | undefined, step: 1 | -1): string | undefined {
  if (sheets.length === 0) return undefined
  const at = sheets.findIndex((sheet) => sheet.id === current)
  const start = at < 0 ? (step === 1 ? -1 : 0) : at
  return sheets[(start + step + sheets.length) % sheets.length]?.id
}
