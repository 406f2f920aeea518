import { useEffect, useRef } from 'preact/hooks'
import type { Live } from './engine'
import type { FieldSelection } from './selections'

interface Props {
  readonly live: Live
  readonly field: FieldSelection
  readonly onClose: () => void
}

/** A field's values under its chip, in stardust's list box. */
export function FieldPopover({ live, field, onClose }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const list = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const element = list.current
    if (!element) return
    let isGone = false
    let unmount = () => undefined as void
    live.nebula.field(field.field).then(async (instance) => {
      if (isGone) return
      unmount = () => instance.unmount()
      await instance.mount(element, { title: field.name, histogram: false, search: true, toolbar: true })
    }, onClose)
    return () => {
      isGone = true
      live.doc.abortModal(true).catch(() => undefined)
      unmount()
    }
  }, [live, field.field])

  useEffect(() => {
    const onOutside = (event: Event) => {
      if (!(event.target instanceof Element) || box.current?.parentElement?.contains(event.target)) return
      // Stardust's own menus float outside the list they belong to.
      if (event.target.closest('.MuiPopover-root')) return
      onClose()
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onClose()
    }
    document.addEventListener('pointerdown', onOutside)
    document.addEventListener('keydown', onKey)
    return () => {
      document.removeEventListener('pointerdown', onOutside)
      document.removeEventListener('keydown', onKey)
    }
  }, [])

  return (
    <div class="field-popover" ref={box} role="dialog" aria-label={`Values of ${field.name}`}>
      <div class="field-list" ref={list} />
    </div>
  )
}
