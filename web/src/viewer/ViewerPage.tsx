import { useEffect, useRef } from 'preact/hooks'
import type { App, PageData } from '../data'
import { MessageCard } from '../message/MessageCard'
import { MessagePage } from '../message/MessagePage'
import { paths } from '../paths'
import { connection } from './connection'
import { currentSheet, go } from './navigation'
import { Overview } from './Overview'
import { SelectionsBar } from './SelectionsBar'
import { SheetView } from './SheetView'
import { neighbour } from './sheetLayout'
import { TitleBar } from './TitleBar'
import { TroubleBanner } from './TroubleBanner'

export function ViewerPage({ data }: { readonly data: PageData }) {
  return data.app ? <Viewer data={data} app={data.app} /> : <MessagePage data={data} />
}

interface Props {
  readonly data: PageData
  readonly app: App
}

function Viewer({ data, app }: Props) {
  const state = connection.value
  const sheet = currentSheet.value
  const title = app.sheets.find(({ id }) => id === sheet)?.title

  useEffect(() => {
    document.title = title ? `${title} · ${app.name}` : `${app.name} · ${data.product.name}`
  }, [title])

  const shownBefore = useRef(sheet)
  useEffect(() => {
    if (shownBefore.current === sheet) return
    shownBefore.current = sheet
    // The link that was followed is gone with its view: go on from the bar, which names the sheet.
    if (document.activeElement === document.body) document.querySelector<HTMLElement>('.pick')?.focus()
  }, [sheet])

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || ownsKeys(event.target)) return
      const step = event.key === '[' ? -1 : event.key === ']' ? 1 : undefined
      if (step === undefined) return
      const next = neighbour(app.sheets, currentSheet.value, step)
      if (next !== undefined) go(data, app.id, next)
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])

  if (state.kind === 'refused') {
    return (
      <>
        <TitleBar data={data} app={app} isBare />
        <main class="card-page">
          <MessageCard message={state.message} fallback={{ label: 'Back to the hub', href: paths.hub(data.base) }} />
        </main>
      </>
    )
  }

  const live = state.kind === 'live' ? state.live : undefined
  return (
    <>
      <a class="skip" href="#main">Skip to the {sheet === undefined ? 'sheets' : 'sheet'}</a>
      <div class="bars">
        <TitleBar data={data} app={app} />
        <SelectionsBar live={live} />
        <TroubleBanner />
      </div>
      <main id="main" class={sheet === undefined ? 'overview' : 'stage'} tabIndex={-1}>
        {sheet === undefined ? (
          <Overview data={data} app={app} />
        ) : (
          <SheetView key={`${sheet}`} id={sheet} live={live} home={paths.app(data.base, app.id)} title={title ?? ''} />
        )}
      </main>
    </>
  )
}

/** Typing belongs to the field that has the focus. */
function ownsKeys(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))
}
