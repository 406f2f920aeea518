import { render, type VNode } from 'preact'
import { readPageData, type PageData } from '../data'

/** Replaces what the server wrote for script-less browsers by the living page. */
export function mount(page: (data: PageData) => VNode) {
  const root = document.getElementById('root')
  if (!root) return
  let data: PageData
  try {
    data = readPageData()
  } catch (error) {
    // The server's own list stays: it works as plain links.
    console.error('loggia: the page came without usable data', error)
    return
  }
  root.replaceChildren()
  render(page(data), root)
}
