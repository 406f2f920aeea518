import { signal } from '@preact/signals'
import type { PageData } from '../data'
import { paths, sheetOf } from '../paths'

/** The sheet that the address names; undefined shows the app's overview. */
export const currentSheet = signal<string | undefined>(undefined)

export function startNavigation(data: PageData, app: string) {
  currentSheet.value = sheetOf(location.pathname, data.base, app) ?? data.sheet
  window.addEventListener('popstate', () => {
    currentSheet.value = sheetOf(location.pathname, data.base, app)
  })
}

export function hrefOf(data: PageData, app: string, sheet: string | undefined): string {
  return sheet === undefined ? paths.app(data.base, app) : paths.sheet(data.base, app, sheet)
}

export function go(data: PageData, app: string, sheet: string | undefined) {
  if (sheet === currentSheet.value) return
  history.pushState(null, '', hrefOf(data, app, sheet))
  currentSheet.value = sheet
  window.scrollTo(0, 0)
}

/** For links: stays in the page on a plain click, and lets the browser open tabs and windows. */
export function follow(event: MouseEvent, act: () => void) {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  act()
}
