/** The part of the engine's protocol that the viewer itself speaks; the charts speak the rest. */
export interface Global extends EnigmaJS.QixObject {
  openDoc(app: string): Promise<Doc>
  getActiveDoc(): Promise<Doc>
}

export interface Doc extends EnigmaJS.QixObject {
  getObject(id: string): Promise<GenericObject>
  createSessionObject(properties: object): Promise<GenericObject>
  destroySessionObject(id: string): Promise<unknown>
  getField(name: string, state?: string): Promise<Field>
  back(): Promise<unknown>
  forward(): Promise<unknown>
  clearAll(): Promise<unknown>
  applyBookmark(id: string): Promise<unknown>
  abortModal(accept: boolean): Promise<unknown>
}

export interface GenericObject extends EnigmaJS.QixObject {
  getLayout(): Promise<unknown>
  getEffectiveProperties(): Promise<unknown>
  getListObjectData(path: string, pages: readonly Page[]): Promise<unknown>
  selectListObjectValues(path: string, values: readonly number[], toggle: boolean): Promise<unknown>
  searchListObjectFor(path: string, match: string): Promise<unknown>
  acceptListObjectSearch(path: string, toggle: boolean): Promise<unknown>
  abortListObjectSearch(path: string): Promise<unknown>
  selectListObjectPossible(path: string): Promise<unknown>
  clearSelections(path: string): Promise<unknown>
  removeListener(event: 'changed' | 'closed', listener: () => void): void
}

export interface Page {
  readonly qTop: number
  readonly qLeft: number
  readonly qWidth: number
  readonly qHeight: number
}

export interface Field extends EnigmaJS.QixObject {
  selectValues(values: readonly { qText: string; qIsNumeric: boolean; qNumber: number }[], toggle: boolean, soft: boolean): Promise<unknown>
  clear(): Promise<unknown>
  unlock(): Promise<unknown>
}

/** Numbers the engine and enigma give to what went wrong. */
export const codes = {
  appAlreadyOpen: 1002,
  aborted: 15,
  notConnected: -1,
  suspended: -11,
  notAttached: -12,
} as const

export function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'number' ? error.code : undefined
}
