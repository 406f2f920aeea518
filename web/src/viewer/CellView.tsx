import { useEffect, useRef, useState } from 'preact/hooks'
import { or, record, text } from '../kit/decode'
import { Chart, Expand, Shrink, Table } from '../kit/icons'
import { readsAsTable, renderAsTable } from './asTable'
import { isKnown, listbox, optionsOf } from './charts'
import type { Live, Nebula } from './engine'
import type { Cell } from './sheetLayout'
import { useNear } from './useNear'

interface Props {
  readonly cell: Cell
  readonly live: Live
  readonly isHalf: boolean
}

/** What a rendered object can do for its cell. */
interface Rendered {
  /** What the cell is called, for those who hear it. */
  readonly title: string
  readonly destroy: () => void
}

type State = { readonly kind: 'waiting' } | { readonly kind: 'ready'; readonly title: string } | { readonly kind: 'failed'; readonly text: string; readonly isFinal: boolean }

/** Figures are their own full picture, and lists need their corner for searching. */
const bare: ReadonlySet<string> = new Set(['kpi', 'filterpane', listbox])

/** The element of a rendered object at which Tab stops. */
const stop = 'njs-cell-body'

export function CellView({ cell, live, isHalf }: Props) {
  const box = useRef<HTMLElement>(null)
  const host = useRef<HTMLDivElement>(null)
  const tableHost = useRef<HTMLDivElement>(null)
  const isNear = useNear(box)
  const [state, setState] = useState<State>({ kind: 'waiting' })
  const [attempt, setAttempt] = useState(0)
  const [isTable, setTable] = useState(false)
  const isEntering = useRef(false)
  const isFull = useFullScreen(box)

  useEffect(() => {
    const element = host.current
    if (!isNear || !element) return
    let isGone = false
    let rendered: Rendered | undefined
    setState({ kind: 'waiting' })
    renderObject(live, cell, element).then(
      (done) => {
        rendered = done
        if (isGone) done.destroy()
        else setState({ kind: 'ready', title: done.title })
      },
      (error: unknown) => {
        console.warn(`loggia: object ${cell.id}`, error)
        if (!isGone) setState({ kind: 'failed', text: reason(cell, error), isFinal: error instanceof UnknownType })
      },
    )
    return () => {
      isGone = true
      rendered?.destroy()
      setTable(false)
    }
  }, [isNear, live, cell.id, cell.type, attempt])

  useEffect(() => {
    const element = tableHost.current
    if (!isTable || !element) return
    let isGone = false
    let destroy = () => {}
    renderAsTable(live, cell.id, element).then(
      (viz) => {
        destroy = () => void viz.destroy()
        if (isGone) destroy()
        else if (isEntering.current) element.querySelector<HTMLElement>(`.${stop}`)?.focus()
        isEntering.current = false
      },
      (error: unknown) => {
        isEntering.current = false
        console.warn(`loggia: object ${cell.id} as a table`, error)
        if (!isGone) setTable(false)
      },
    )
    return () => {
      isGone = true
      destroy()
    }
  }, [isTable, live, cell.id])

  /** Enter leads into a chart; one that answers no keys is entered as its table. */
  const enter = (event: KeyboardEvent) => {
    const isAtStop = event.target instanceof Element && event.target.classList.contains(stop)
    if (event.key !== 'Enter' || !isAtStop || state.kind !== 'ready' || !readsAsTable.has(cell.type)) return
    isEntering.current = true
    setTable(true)
  }

  return (
    <article
      ref={box}
      class={isHalf ? 'cell half' : 'cell'}
      data-type={cell.type}
      data-object={cell.id}
      data-state={state.kind}
      aria-busy={state.kind === 'waiting'}
      aria-label={(state.kind === 'ready' && state.title) || undefined}
      style={{ '--column': `${cell.col + 1} / span ${cell.colspan}`, '--row': `${cell.row + 1} / span ${cell.rowspan}` }}
    >
      <div class="object" ref={host} hidden={isTable} onKeyDown={enter} onKeyDownCapture={leadOut} />
      {isTable && <div class="object" ref={tableHost} onKeyDownCapture={leadOut} />}
      {state.kind === 'waiting' && <div class="skeleton" aria-hidden="true" />}
      {state.kind === 'failed' && (
        <div class="cell-failed">
          <p>{state.text}</p>
          {!state.isFinal && <button type="button" class="button" onClick={() => setAttempt(attempt + 1)}>Try again</button>}
        </div>
      )}
      {state.kind === 'ready' && !bare.has(cell.type) && (
        <div class="cell-tools">
          {readsAsTable.has(cell.type) && (
            <button
              type="button"
              class="tool"
              aria-pressed={isTable}
              aria-label={isTable ? 'View as chart' : 'View as table'}
              title={isTable ? 'View as chart' : 'View as table'}
              onClick={() => setTable(!isTable)}
            >
              {isTable ? <Chart /> : <Table />}
            </button>
          )}
          {document.fullscreenEnabled && (
            <button
              type="button"
              class="tool"
              aria-label={isFull ? 'Leave full screen' : 'Full screen'}
              title={isFull ? 'Leave full screen' : 'Full screen'}
              onClick={() => void (isFull ? document.exitFullscreen() : box.current?.requestFullscreen())}
            >
              {isFull ? <Shrink /> : <Expand />}
            </button>
          )}
        </div>
      )}
    </article>
  )
}

/**
 * Stardust's lists answer Tab themselves and go round in circles: whoever has only a keyboard never
 * gets out of a filter pane. The browser's own order leads through and on.
 */
function leadOut(event: KeyboardEvent) {
  if (event.key === 'Tab') event.stopPropagation()
  if (event.key === 'Escape') leaveTable(event.target)
}

/** Escape ends a selection, else it leads out of a table, which would leave the focus nowhere. */
function leaveTable(from: EventTarget | null) {
  if (!(from instanceof Element) || !from.closest('.sn-table-cell')) return
  const body = from.closest<HTMLElement>(`.${stop}`)
  const isSelecting = body?.querySelector('.sn-table-cell.selected') != null
  // Only after the table itself has answered the key.
  if (!isSelecting) setTimeout(() => body?.focus())
}

async function renderObject(live: Live, cell: Cell, element: HTMLElement): Promise<Rendered> {
  if (!isKnown(cell.type)) throw new UnknownType(cell.type)
  // An object that cannot be read would leave the chart waiting for ever: ask for it first.
  const model = await live.doc.getObject(cell.id)
  const { title } = titled(await model.getLayout(), '')
  if (cell.type === listbox) return renderListbox(live.nebula, cell, element, title)
  const painted = once()
  const viz = await live.nebula.render({ id: cell.id, element, options: optionsOf(cell.type), onRender: painted.done })
  await Promise.race([painted.promise, pause(longest)])
  return { title, destroy: () => void viz.destroy() }
}

const titled = record<{ readonly title: string }>({ title: or(text, '') })

/** The chart is mounted before it is painted; a chart that never says so must not look unfinished for ever. */
const longest = 4000

function once() {
  let done = () => {}
  const promise = new Promise<void>((resolve) => {
    done = resolve
  })
  return { promise, done: () => done() }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

async function renderListbox(nebula: Nebula, cell: Cell, element: HTMLElement, title: string): Promise<Rendered> {
  const field = await nebula.field({ qId: cell.id })
  await field.mount(element, { histogram: false, search: 'toggle' })
  return { title, destroy: () => field.unmount() }
}

class UnknownType extends Error {
  constructor(type: string) {
    super(`no chart is called ${type}`)
    this.name = 'UnknownType'
  }
}

function reason(cell: Cell, error: unknown): string {
  if (error instanceof UnknownType) return `This kind of chart (${cell.type || 'unnamed'}) is not supported yet.`
  return 'This chart could not be shown.'
}

function useFullScreen(box: { readonly current: HTMLElement | null }): boolean {
  const [isFull, setFull] = useState(false)
  useEffect(() => {
    const onChange = () => setFull(document.fullscreenElement !== null && document.fullscreenElement === box.current)
    document.addEventListener('fullscreenchange', onChange)
    return () => document.removeEventListener('fullscreenchange', onChange)
  }, [])
  return isFull
}
