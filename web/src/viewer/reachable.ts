/**
 * While a chart's selection toolbar floats, its library hides the rest of the page from assistive
 * technology, as if the toolbar were a modal dialogue. It is not: people go on with other charts.
 */
export function keepReachable(root: HTMLElement) {
  new MutationObserver(() => {
    if (root.hasAttribute('aria-hidden')) root.removeAttribute('aria-hidden')
  }).observe(root, { attributes: true, attributeFilter: ['aria-hidden'] })
}
