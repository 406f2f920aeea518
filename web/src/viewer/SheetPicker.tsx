import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { App, PageData } from '../data'
import { Down, Next, Previous } from '../kit/icons'
import { currentSheet, follow, go, hrefOf } from './navigation'
import { neighbour } from './sheetLayout'

interface Props {
  readonly data: PageData
  readonly app: App
}

export function SheetPicker({ data, app }: Props) {
  const [isOpen, setOpen] = useState(false)
  const box = useRef<HTMLElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const current = currentSheet.value
  const at = app.sheets.findIndex(({ id }) => id === current)
  const sheet = app.sheets[at]

  useLayoutEffect(() => {
    if (!isOpen) return
    const menu = box.current?.querySelector('.menu')
    const first = menu?.querySelector<HTMLElement>('a[aria-current]') ?? menu?.querySelector('a')
    first?.focus()
    const onOutside = (event: Event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setOpen(false)
    }
    document.addEventListener('pointerdown', onOutside)
    document.addEventListener('focusin', onOutside)
    return () => {
      document.removeEventListener('pointerdown', onOutside)
      document.removeEventListener('focusin', onOutside)
    }
  }, [isOpen])

  const step = (by: 1 | -1) => {
    const next = neighbour(app.sheets, current, by)
    if (next !== undefined) go(data, app.id, next)
  }

  const onKey = (event: KeyboardEvent) => {
    if (!isOpen) return
    if (event.key === 'Escape') {
      event.stopPropagation()
      setOpen(false)
      button.current?.focus()
      return
    }
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (by === 0) return
    event.preventDefault()
    const links = [...(box.current?.querySelectorAll<HTMLElement>('.menu a') ?? [])]
    const focused = links.findIndex((link) => link === document.activeElement)
    links[(focused + by + links.length) % links.length]?.focus()
  }

  return (
    <nav class="sheets" aria-label="Sheets" ref={box} onKeyDown={onKey}>
      <button type="button" class="tool" aria-label="Previous sheet" aria-keyshortcuts="[" title="Previous sheet ( [ )" onClick={() => step(-1)}><Previous /></button>
      <button type="button" class="tool pick" ref={button} aria-expanded={isOpen} aria-haspopup="true" onClick={() => setOpen(!isOpen)}>
        <span class="pick-name">{sheet?.title ?? 'All sheets'}</span>
        {sheet && <span class="count">{at + 1}/{app.sheets.length}</span>}
        <Down />
      </button>
      <button type="button" class="tool" aria-label="Next sheet" aria-keyshortcuts="]" title="Next sheet ( ] )" onClick={() => step(1)}><Next /></button>
      {isOpen && (
        <ul class="menu">
          {app.sheets.map(({ id, title, description }) => (
            <li key={id}>
              <a
                href={hrefOf(data, app.id, id)}
                aria-current={id === current ? 'page' : undefined}
                onClick={(event) =>
                  follow(event, () => {
                    setOpen(false)
                    button.current?.focus()
                    go(data, app.id, id)
                  })
                }
              >
                <span>{title}</span>
                {description && <small>{description}</small>}
              </a>
            </li>
          ))}
        </ul>
      )}
    </nav>
  )
}
