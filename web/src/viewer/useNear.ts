import { useEffect, useState } from 'preact/hooks'

/** True from one screen away until three screens away, so that scrolling a little never throws charts out. */
export function useNear(box: { readonly current: Element | null }): boolean {
  const [isNear, setNear] = useState(false)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const comes = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true)
      },
      { rootMargin: '100% 0px' },
    )
    const goes = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => !entry.isIntersecting)) setNear(false)
      },
      { rootMargin: '300% 0px' },
    )
    comes.observe(element)
    goes.observe(element)
    return () => {
      comes.disconnect()
      goes.disconnect()
    }
  }, [])
  return isNear
}
