import type { Opening, PageData } from '../data'
import { currentSheet, hrefOf } from './navigation'
import type { Doc } from './qix'

let isDone = false

/** Does what the address asked for, once. Then the address names the sheet alone: what the person selects from here on is theirs, also after a reload. */
export async function openAs(data: PageData, app: string, doc: Doc): Promise<void> {
  if (isDone || !data.opening) return
  isDone = true
  for (const step of steps(data.opening, doc)) {
    try {
      await step()
    } catch (error) {
      // A field or value of an older version of the app: the rest of the link still holds.
      console.warn('loggia: a part of the link does not fit this app', error)
    }
  }
  history.replaceState(null, '', hrefOf(data, app, currentSheet.value))
}

function steps(opening: Opening, doc: Doc): (() => Promise<unknown>)[] {
  const { clears, bookmark, select } = opening
  return [
    ...(clears ? [() => doc.clearAll()] : []),
    ...(bookmark === undefined ? [] : [() => doc.applyBookmark(bookmark)]),
    ...select.map(({ field, values }) => async () => {
      const handle = await doc.getField(field, '$')
      return handle.selectValues(values.map(valueOf), false, false)
    }),
  ]
}

/** A plain number selects the number, however it is shown; any other text selects that text. */
export function valueOf(value: string): { qText: string; qIsNumeric: boolean; qNumber: number } {
  const number = Number(value)
  const isNumeric = Number.isFinite(number) && String(number) === value
  return { qText: value, qIsNumeric: isNumeric, qNumber: isNumeric ? number : 0 }
}
