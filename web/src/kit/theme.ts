import { signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

const key = 'loggia.theme'
const dark = window.matchMedia('(prefers-color-scheme: dark)')

function remembered(): Theme {
  try {
    const value = localStorage.getItem(key)
    return value === 'light' || value === 'dark' ? value : 'system'
  } catch {
    return 'system'
  }
}

export const theme = signal<Theme>(remembered())

/** What is really shown, with "system" resolved. */
export const shownTheme = signal<'light' | 'dark'>(resolve(theme.value))

function resolve(choice: Theme): 'light' | 'dark' {
  if (choice !== 'system') return choice
  return dark.matches ? 'dark' : 'light'
}

function apply(choice: Theme) {
  if (choice === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = choice
}

// Runs before the first paint, as the pages' scripts do.
apply(theme.value)

export function chooseTheme(choice: Theme) {
  theme.value = choice
  shownTheme.value = resolve(choice)
  apply(choice)
  try {
    if (choice === 'system') localStorage.removeItem(key)
    else localStorage.setItem(key, choice)
  } catch {
    // A browser that forbids storage still shows the choice on this page.
  }
}

dark.addEventListener('change', () => {
  shownTheme.value = resolve(theme.value)
})
