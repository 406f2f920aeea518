import { useEffect, useRef, useState } from 'preact/hooks'
import type { Live } from './engine'
import { readValues, searchPattern, type FieldValue, type ValueState } from './fieldValues'
import type { GenericObject } from './qix'
import type { FieldSelection } from './selections'
import { useLayout } from './useLayout'

interface Props {
  readonly live: Live
  readonly field: FieldSelection
  readonly onClose: () => void
}

const path = '/qListObjectDef'
/** Enough to choose from by eye; beyond that people search. */
const most = 500

const words: Record<ValueState, string> = {
  selected: 'selected',
  possible: 'possible',
  alternative: 'alternative',
  excluded: 'excluded by other selections',
}

/** A field's values under its chip: search, and click or Space to select and deselect. */
export function FieldPopover({ live, field, onClose }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [model, setModel] = useState<GenericObject>()
  const [typed, setTyped] = useState('')

  useEffect(() => {
    let isGone = false
    let id: string | undefined
    live.doc.createSessionObject(definition(field.field)).then((created) => {
      id = created.id
      if (isGone) void live.doc.destroySessionObject(id).catch(() => undefined)
      else setModel(created)
    }, onClose)
    return () => {
      isGone = true
      if (id !== undefined) void live.doc.destroySessionObject(id).catch(() => undefined)
    }
  }, [live, field.field])

  const list = useLayout(model, readValues, onClose)

  useEffect(() => {
    if (model) box.current?.querySelector('input')?.focus()
  }, [model])

  useEffect(() => {
    const onOutside = (event: Event) => {
      if (event.target instanceof Node && !box.current?.parentElement?.contains(event.target)) onClose()
    }
    document.addEventListener('pointerdown', onOutside)
    document.addEventListener('focusin', onOutside)
    return () => {
      document.removeEventListener('pointerdown', onOutside)
      document.removeEventListener('focusin', onOutside)
    }
  }, [])

  const search = (value: string) => {
    setTyped(value)
    const pattern = searchPattern(value)
    void (pattern === '' ? model?.abortListObjectSearch(path) : model?.searchListObjectFor(path, pattern))?.catch(() => undefined)
  }

  const acceptSearch = () => {
    if (typed.trim() === '') return
    setTyped('')
    void model?.acceptListObjectSearch(path, true).catch(() => undefined)
  }

  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.stopPropagation()
      onClose()
      return
    }
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    const stops = [...(box.current?.querySelectorAll<HTMLElement>('input, .values [role="option"]') ?? [])]
    const at = stops.findIndex((stop) => stop === document.activeElement)
    stops[Math.min(Math.max(at + step, 0), stops.length - 1)]?.focus()
  }

  const toggle = (value: FieldValue) => void model?.selectListObjectValues(path, [value.element], true).catch(() => undefined)

  return (
    <div class="field-popover" ref={box} role="dialog" aria-label={`Values of ${field.name}`} onKeyDown={onKey}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          acceptSearch()
        }}
      >
        <input type="search" aria-label={`Search in ${field.name}`} placeholder="Search" value={typed} onInput={(event) => search(event.currentTarget.value)} />
      </form>
      {list && (
        <ul class="values" role="listbox" aria-label={field.name} aria-multiselectable>
          {list.values.map((value) => (
            <Value key={value.element} value={value} onToggle={toggle} />
          ))}
        </ul>
      )}
      {list && list.total > list.values.length && <p class="more">Showing {list.values.length} of {list.total}. Search to find others.</p>}
      {list && list.total === 0 && <p class="more">No values match.</p>}
    </div>
  )
}

interface ValueProps {
  readonly value: FieldValue
  readonly onToggle: (value: FieldValue) => void
}

function Value({ value, onToggle }: ValueProps) {
  return (
    <li
      class={`value ${value.state}`}
      role="option"
      tabIndex={-1}
      aria-selected={value.state === 'selected'}
      aria-disabled={value.isLocked}
      title={words[value.state]}
      onClick={() => !value.isLocked && onToggle(value)}
      onKeyDown={(event) => {
        if (event.key !== ' ' && event.key !== 'Enter') return
        event.preventDefault()
        if (!value.isLocked) onToggle(value)
      }}
    >
      {value.text}
    </li>
  )
}

function definition(field: string) {
  return {
    qInfo: { qType: 'loggia-field' },
    qListObjectDef: {
      qStateName: '$',
      qShowAlternatives: true,
      qDef: { qFieldDefs: [field], qSortCriterias: [{ qSortByState: 1, qSortByNumeric: 1, qSortByAscii: 1, qSortByLoadOrder: 1 }] },
      qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 1, qHeight: most }],
    },
  }
}
