import { useEffect, useState } from 'preact/hooks'
import { CellView } from './CellView'
import { preload } from './charts'
import type { Live } from './engine'
import type { GenericObject } from './qix'
import { pairs, readingOrder, readSheet } from './sheetLayout'
import { useLayout } from './useLayout'

interface Props {
  readonly id: string
  readonly live: Live | undefined
  readonly title: string
  /** Where the app's other sheets are. */
  readonly home: string
}

export function SheetView({ id, live, title, home }: Props) {
  const [model, setModel] = useState<GenericObject>()
  const [isMissing, setMissing] = useState(false)

  useEffect(() => {
    if (!live) return
    let isGone = false
    live.doc.getObject(id).then(
      (found) => {
        if (!isGone) setModel(found)
      },
      () => {
        if (!isGone) setMissing(true)
      },
    )
    return () => {
      isGone = true
      setModel(undefined)
    }
  }, [live, id])

  const sheet = useLayout(model, readSheet, () => setMissing(true))

  useEffect(() => {
    if (sheet) preload(sheet.cells.map((cell) => cell.type))
  }, [sheet])

  if (isMissing) {
    return (
      <div class="sheet-missing">
        <p>This sheet is not available, or it is not shared with you.</p>
        <a class="button" href={home}>Show all sheets</a>
      </div>
    )
  }
  if (!sheet || !live) return <Skeleton />

  const halves = pairs(readingOrder(sheet.cells))
  const columns = `repeat(${sheet.columns}, minmax(0, 1fr))`
  const rows = `repeat(${sheet.rows}, minmax(var(--line-height), 1fr))`
  return (
    <section class="sheet" aria-label={sheet.title || title} style={{ '--columns': columns, '--rows': rows }}>
      {readingOrder(sheet.cells).map((cell) => (
        <CellView key={cell.id} cell={cell} live={live} isHalf={halves.has(cell.id)} />
      ))}
      {sheet.cells.length === 0 && <p class="empty-note">This sheet is empty.</p>}
    </section>
  )
}

/** Holds the room of a sheet until its own grid is known. */
function Skeleton() {
  return <div class="sheet waiting" aria-busy="true" aria-label="Loading the sheet" role="status" />
}
