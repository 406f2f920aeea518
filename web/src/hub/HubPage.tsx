import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { PageData } from '../data'
import { Account, here } from '../kit/Account'
import { Brand } from '../kit/Brand'
import { Rows, Search, Tiles } from '../kit/icons'
import { stored } from '../kit/stored'
import { ThemeSwitch } from '../kit/ThemeSwitch'
import { paths, streamOf } from '../paths'
import { AppList } from './AppList'
import { count, find } from './find'
import { Empty, Visitor } from './Notices'
import { StreamLinks } from './StreamLinks'

const view = stored('hub.view', ['tiles', 'list'], 'tiles')

export function HubPage({ data }: { readonly data: PageData }) {
  const streams = data.hub?.streams ?? []
  const chosen = useSignal(streamOf(location.pathname, data.base))
  const query = useSignal(new URLSearchParams(location.search).get('q') ?? '')
  const box = useRef<HTMLInputElement>(null)

  const shown = useComputed(() => {
    const found = find(streams, query.value)
    return query.value.trim() === '' && chosen.value !== undefined
      ? found.filter((stream) => stream.id === chosen.value)
      : found
  })

  useEffect(() => {
    const onPop = () => {
      chosen.value = streamOf(location.pathname, data.base)
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      event.preventDefault()
      box.current?.focus()
    }
    window.addEventListener('popstate', onPop)
    window.addEventListener('keydown', onKey)
    return () => {
      window.removeEventListener('popstate', onPop)
      window.removeEventListener('keydown', onKey)
    }
  }, [])

  const go = (event: MouseEvent, href: string) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    history.pushState(null, '', href)
    chosen.value = streamOf(location.pathname, data.base)
  }

  const openFirst = (event: Event) => {
    event.preventDefault()
    const app = shown.value[0]?.apps[0]
    if (app && query.value.trim() !== '') location.assign(paths.app(data.base, app.id))
  }

  const total = count(shown.value)
  const isSearching = query.value.trim() !== ''

  return (
    <>
      <a class="skip" href="#main">Skip to the apps</a>
      <header class="top hub-top">
        <Brand name={data.product.name} href={paths.hub(data.base)} />
        <form class="search" role="search" onSubmit={openFirst}>
          <Search />
          <input
            ref={box}
            type="search"
            aria-label="Search apps"
            aria-keyshortcuts="/"
            placeholder="Search apps"
            value={query.value}
            onInput={(event) => (query.value = event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Escape') return
              query.value = ''
              event.currentTarget.blur()
            }}
          />
          <kbd aria-hidden="true">/</kbd>
        </form>
        <ThemeSwitch />
        <Account data={data} target={here} />
      </header>
      {data.me.isAnonymous && <Visitor data={data} />}
      <main id="main" class="hub" tabIndex={-1}>
        <div class="hub-head">
          <h1 class="unseen">Apps</h1>
          {streams.length > 1 && <StreamLinks base={data.base} streams={streams} chosen={chosen.value} onGo={go} />}
          <span class="fill" />
          {streams.length > 0 && (
            <div class="views" role="group" aria-label="View">
              <button type="button" class="tool" aria-pressed={view.value === 'tiles'} aria-label="Tiles" title="Tiles" onClick={() => (view.value = 'tiles')}><Tiles /></button>
              <button type="button" class="tool" aria-pressed={view.value === 'list'} aria-label="List" title="List" onClick={() => (view.value = 'list')}><Rows /></button>
            </div>
          )}
        </div>
        <p class="unseen" aria-live="polite">
          {isSearching ? `${total} ${total === 1 ? 'app' : 'apps'} found` : ''}
        </p>
        {shown.value.map((stream) => (
          <section key={stream.id} class="stream" aria-labelledby={`stream-${stream.id}`}>
            <h2 id={`stream-${stream.id}`}>
              {stream.name} <span class="count">{stream.apps.length}</span>
            </h2>
            <AppList base={data.base} apps={stream.apps} view={view.value} />
          </section>
        ))}
        {shown.value.length === 0 && (
          <Empty
            data={data}
            query={isSearching ? query.value.trim() : ''}
            isLost={!isSearching && streams.length > 0}
            onClear={() => {
              query.value = ''
              box.current?.focus()
            }}
          />
        )}
      </main>
      <footer class="foot">{data.product.name} {data.product.version}</footer>
    </>
  )
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))
}
