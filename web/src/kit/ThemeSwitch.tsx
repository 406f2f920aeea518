import { Moon, Screen, Sun } from './icons'
import { chooseTheme, theme, type Theme } from './theme'

const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' }
const words: Record<Theme, string> = { system: 'as the system', light: 'light', dark: 'dark' }

/** One button that walks system → light → dark; its name says what is shown and what comes next. */
export function ThemeSwitch() {
  const current = theme.value
  const label = `Theme: ${words[current]}. Switch to ${words[next[current]]}`
  return (
    <button type="button" class="tool" aria-label={label} title={label} onClick={() => chooseTheme(next[current])}>
      {current === 'system' && <Screen />}
      {current === 'light' && <Sun />}
      {current === 'dark' && <Moon />}
    </button>
  )
}
