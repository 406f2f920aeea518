import { list, number, or, record, text } from '../kit/decode'

export type ValueState = 'selected' | 'possible' | 'alternative' | 'excluded'

export interface FieldValue {
  readonly element: number
  readonly text: string
  readonly state: ValueState
  readonly isLocked: boolean
}

export interface FieldValues {
  readonly total: number
  readonly values: readonly FieldValue[]
}

interface RawCell {
  readonly qText: string
  readonly qElemNumber: number
  readonly qState: string
}

interface RawList {
  readonly qSize: { readonly qcy: number }
  readonly qDataPages: readonly { readonly qMatrix: readonly (readonly RawCell[])[] }[]
}

const raw = record<{ qListObject: RawList }>({
  qListObject: record<RawList>({
    qSize: record<{ qcy: number }>({ qcy: or(number, 0) }),
    qDataPages: or(
      list(
        record<{ qMatrix: readonly (readonly RawCell[])[] }>({
          qMatrix: list(list(record<RawCell>({ qText: or(text, ''), qElemNumber: number, qState: or(text, 'O') }))),
        }),
      ),
      [],
    ),
  }),
})

/** The engine's letters for what a value is at the moment. */
const states: Readonly<Record<string, ValueState>> = {
  S: 'selected',
  L: 'selected',
  O: 'possible',
  A: 'alternative',
  X: 'excluded',
  XS: 'excluded',
  XL: 'excluded',
}

export function readValues(layout: unknown): FieldValues {
  const { qListObject } = raw(layout, '')
  const cells = qListObject.qDataPages.flatMap((page) => page.qMatrix.flat())
  return {
    total: qListObject.qSize.qcy,
    values: cells
      .filter((cell) => cell.qElemNumber >= 0)
      .map((cell) => ({
        element: cell.qElemNumber,
        text: cell.qText,
        state: states[cell.qState] ?? 'possible',
        isLocked: cell.qState === 'L' || cell.qState === 'XL',
      })),
  }
}

/** What the engine searches for: typed words match anywhere in a value; patterns are left alone. */
export function searchPattern(typed: string): string {
  const trimmed = typed.trim()
  if (trimmed === '' || /[*?<>=~]/.test(trimmed)) return trimmed
  return `*${trimmed}*`
}
