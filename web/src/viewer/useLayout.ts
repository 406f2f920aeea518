import { useEffect, useState } from 'preact/hooks'
import type { GenericObject } from './qix'

/** The newest layout of an object, read again whenever the engine says that it changed. */
export function useLayout<T>(model: GenericObject | undefined, read: (layout: unknown) => T, onError: (error: unknown) => void): T | undefined {
  const [value, setValue] = useState<T>()
  useEffect(() => {
    if (!model) return
    let isGone = false
    const refresh = () => {
      model.getLayout().then(
        (layout) => {
          if (!isGone) setValue(() => read(layout))
        },
        (error: unknown) => {
          if (!isGone) onError(error)
        },
      )
    }
    model.on('changed', refresh)
    refresh()
    return () => {
      isGone = true
      model.removeListener('changed', refresh)
    }
  }, [model])
  return value
}
