import type { App, PageData } from '../data'
import { Account, here } from '../kit/Account'
import { Back } from '../kit/icons'
import { ThemeSwitch } from '../kit/ThemeSwitch'
import { paths } from '../paths'
import { currentSheet, follow, go, hrefOf } from './navigation'
import { SheetPicker } from './SheetPicker'

interface Props {
  readonly data: PageData
  readonly app: App
  /** Without sheets to choose from: the app is not open. */
  readonly isBare?: boolean
}

export function TitleBar({ data, app, isBare = false }: Props) {
  const hub = app.stream ? paths.stream(data.base, app.stream.id) : paths.hub(data.base)
  return (
    <header class="title-bar">
      <a class="tool" href={hub} aria-label="Back to the hub" title="Back to the hub"><Back /></a>
      <h1>
        {currentSheet.value === undefined || isBare ? (
          app.name
        ) : (
          <a href={hrefOf(data, app.id, undefined)} title="All sheets of this app" onClick={(event) => follow(event, () => go(data, app.id, undefined))}>
            {app.name}
          </a>
        )}
      </h1>
      {!isBare && app.sheets.length > 0 && <SheetPicker data={data} app={app} />}
      <span class="fill" />
      <ThemeSwitch />
      <Account data={data} target={here} />
    </header>
  )
}
