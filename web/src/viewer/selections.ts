import { flag, list, number, or, record, text } from '../kit/decode'

export interface Selections {
  readonly back: number
  readonly forward: number
  readonly fields: readonly FieldSelection[]
}

export interface FieldSelection {
  readonly field: string
  readonly name: string
  readonly selected: number
  readonly total: number
  readonly isLocked: boolean
  readonly isHidden: boolean
  readonly text: string
  readonly values: readonly string[]
}

interface Raw {
  readonly qBackCount: number
  readonly qForwardCount: number
  readonly qSelections: readonly RawField[]
}

interface RawField {
  readonly qField: string
  readonly qReadableName: string
  readonly qSelectedCount: number
  readonly qTotal: number
  readonly qLocked: boolean
  readonly qIsHidden: boolean
  readonly qSelected: string
  readonly qSelectedFieldSelectionInfo: readonly { readonly qName: string }[]
}

const raw = record<{ qSelectionObject: Raw }>({
  qSelectionObject: record<Raw>({
    qBackCount: or(number, 0),
    qForwardCount: or(number, 0),
    qSelections: or(
      list(
        record<RawField>({
          qField: text,
          qReadableName: or(text, ''),
          qSelectedCount: or(number, 0),
          qTotal: or(number, 0),
          qLocked: or(flag, false),
          qIsHidden: or(flag, false),
          qSelected: or(text, ''),
          qSelectedFieldSelectionInfo: or(list(record<{ qName: string }>({ qName: or(text, '') })), []),
        }),
      ),
      [],
    ),
  }),
})

export const none: Selections = { back: 0, forward: 0, fields: [] }

export function readSelections(layout: unknown): Selections {
  const { qSelectionObject } = raw(layout, '')
  return {
    back: qSelectionObject.qBackCount,
    forward: qSelectionObject.qForwardCount,
    fields: qSelectionObject.qSelections.map((field) => ({
      field: field.qField,
      name: field.qReadableName || field.qField.replace(/^=?\[?(.*?)\]?$/, '$1'),
      selected: field.qSelectedCount,
      total: field.qTotal,
      isLocked: field.qLocked,
      isHidden: field.qIsHidden,
      text: field.qSelected,
      values: field.qSelectedFieldSelectionInfo.map((info) => info.qName),
    })),
  }
}

/** What a chip says after the field's name: the values while they are few, else how many of how many. */
export function chipText(field: FieldSelection): string {
  const { selected, total, values, text } = field
  if (total > 1 && selected >= total) return `all ${total}`
  if (values.length > 0 && values.length === selected && selected <= 3) return values.join(', ')
  if (selected === 1 && text) return text
  if (selected > 0) return `${selected} of ${total}`
  return text || 'nothing possible'
}

/** One sentence for those who do not see the chips. */
export function summary(selections: Selections): string {
  const { fields } = selections
  if (fields.length === 0) return 'No selections'
  return fields.map((field) => `${field.name}: ${chipText(field)}`).join('; ')
}
