import { effect, signal, type Signal } from '@preact/signals'

/** A choice among fixed words that this browser remembers. */
export function stored<const T extends string>(key: string, allowed: readonly T[], fallback: T): Signal<T> {
  const name = `loggia.${key}`
  let start = fallback
  try {
    const value = localStorage.getItem(name)
    start = allowed.find((item) => item === value) ?? fallback
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  const choice = signal(start)
  effect(() => {
    const value = choice.value
    try {
      localStorage.setItem(name, value)
    } catch {
      // As above.
    }
  })
  return choice
}
