/** Asks the browser to fetch the viewer's files ahead, once something hints that they will be wanted. */
export function prefetchViewer() {
  const files = document.querySelector<HTMLMetaElement>('meta[name="loggia:viewer"]')?.content.split(' ') ?? []
  if (files.length === 0 || savesData()) return
  let isAsked = false
  const ask = () => {
    if (isAsked) return
    isAsked = true
    for (const href of files) {
      const link = document.createElement('link')
      link.rel = 'prefetch'
      link.href = href
      link.as = href.endsWith('.css') ? 'style' : 'script'
      document.head.append(link)
    }
  }
  const onHint = (event: Event) => {
    if (event.target instanceof Element && event.target.closest('[data-app]')) ask()
  }
  document.addEventListener('pointerover', onHint, { passive: true })
  document.addEventListener('focusin', onHint)
  window.addEventListener('load', () => {
    // Idle alone is not enough on a slow line: let the page settle first.
    setTimeout(() => ('requestIdleCallback' in window ? requestIdleCallback(ask) : ask()), 2500)
  })
}

function savesData(): boolean {
  if (!('connection' in navigator)) return false
  const connection: unknown = navigator.connection
  return typeof connection === 'object' && connection !== null && 'saveData' in connection && connection.saveData === true
}
