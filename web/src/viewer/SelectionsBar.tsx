import { useEffect, useState } from 'preact/hooks'
import { ClearAll, Cross, Filter, StepBack, StepForward } from '../kit/icons'
import type { Live } from './engine'
import { FieldPopover } from './FieldPopover'
import type { GenericObject } from './qix'
import { chipText, none, readSelections, summary, type FieldSelection } from './selections'
import { useLayout } from './useLayout'

interface Props {
  readonly live: Live | undefined
}

export function SelectionsBar({ live }: Props) {
  const [model, setModel] = useState<GenericObject>()
  const [open, setOpen] = useState<string>()
  const [isUnfolded, setUnfolded] = useState(false)

  useEffect(() => {
    if (!live) return
    let isGone = false
    live.doc
      .createSessionObject({ qInfo: { qType: 'current-selections' }, qSelectionObjectDef: { qStateName: '$' } })
      .then((created) => {
        if (!isGone) setModel(created)
      }, warn)
    return () => {
      isGone = true
      setModel(undefined)
    }
  }, [live])

  const selections = useLayout(model, readSelections, warn) ?? none
  const fields = selections.fields.filter((field) => !field.isHidden)
  const isReady = live !== undefined && model !== undefined
  const doc = live?.doc

  /** Whatever a chart still has open is accepted first, as a click elsewhere would do. */
  const act = (step: (target: Live['doc']) => Promise<unknown>) => {
    if (!doc) return
    setOpen(undefined)
    doc.abortModal(true).catch(() => undefined)
    step(doc).catch(warn)
  }

  const clear = (field: FieldSelection) => act(async (target) => (await target.getField(field.field, '$')).clear())

  return (
    <section class={isUnfolded ? 'selections-bar unfolded' : 'selections-bar'} aria-label="Selections">
      <div class="steps">
        <button type="button" class="tool" aria-label="Step back" title="Step back" disabled={!isReady || selections.back === 0} onClick={() => act((target) => target.back())}><StepBack /></button>
        <button type="button" class="tool" aria-label="Step forward" title="Step forward" disabled={!isReady || selections.forward === 0} onClick={() => act((target) => target.forward())}><StepForward /></button>
        <button type="button" class="tool" aria-label="Clear all selections" title="Clear all selections" disabled={!isReady || fields.length === 0} onClick={() => act((target) => target.clearAll())}><ClearAll /></button>
        <button type="button" class="tool filters" aria-expanded={isUnfolded} disabled={fields.length === 0} onClick={() => setUnfolded(!isUnfolded)}>
          <Filter /> Filters ({fields.length})
        </button>
      </div>
      {fields.length === 0 ? (
        <p class="hint">{isReady ? 'No selections. Click a value in a chart or a list to select it.' : 'Opening the app…'}</p>
      ) : (
        <ul class="chips" aria-label="Selected fields">
          {fields.map((field) => (
            <li key={field.field} class="chip">
              <button
                type="button"
                class="chip-main"
                aria-expanded={open === field.field}
                title={`${field.name}: change the selection`}
                onClick={() => setOpen(open === field.field ? undefined : field.field)}
              >
                <span class="chip-name">{field.name}</span>
                <span class="chip-text">{chipText(field)}</span>
                <meter class="unseen" min={0} max={Math.max(field.total, 1)} value={field.selected} aria-label={`${field.selected} of ${field.total} selected`} />
              </button>
              {field.isLocked ? (
                <span class="chip-lock">locked</span>
              ) : (
                <button type="button" class="chip-clear" aria-label={`Clear ${field.name}`} title={`Clear ${field.name}`} onClick={() => clear(field)}><Cross /></button>
              )}
              {open === field.field && live && <FieldPopover live={live} field={field} onClose={() => setOpen(undefined)} />}
            </li>
          ))}
        </ul>
      )}
      <p class="unseen" aria-live="polite">{isReady ? summary(selections) : ''}</p>
    </section>
  )
}

function warn(error: unknown) {
  console.warn('loggia: selections', error)
}
