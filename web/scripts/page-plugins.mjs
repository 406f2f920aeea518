/**
 * Lets the page's own script run before the first paint. It applies the remembered theme and draws the
 * page; without this, the server's plain list would flash first. A browser that does not know the
 * attribute, or that runs no scripts, shows the plain list at once.
 */
export function paintWithScript() {
  return {
    name: 'loggia:paint-with-script',
    transformIndexHtml: {
      order: 'post',
      handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
    },
  }
}

/**
 * Tells the hub which files the viewer will need (it prefetches them when idle), and lets the viewer's
 * page fetch the engine chunk, which the entry imports dynamically, beside the entry.
 */
export function viewerHints() {
  return {
    name: 'loggia:viewer-hints',
    transformIndexHtml: {
      order: 'post',
      handler(_html, context) {
        if (!context.bundle) return []
        const chunks = Object.values(context.bundle).filter((item) => item.type === 'chunk')
        const entry = chunks.find((chunk) => chunk.isEntry && chunk.name === 'viewer')
        const engine = chunks.find((chunk) => chunk.name === 'engine')
        if (!entry) return []
        const files = new Set()
        const add = (chunk) => {
          if (!chunk || files.has(chunk.fileName)) return
          files.add(chunk.fileName)
          for (const name of chunk.imports) add(chunks.find((other) => other.fileName === name))
        }
        add(entry)
        const before = new Set(files)
        add(engine)
        if (context.path.endsWith('/viewer.html')) {
          return [...files]
            .filter((file) => !before.has(file))
            .map((file) => ({ tag: 'link', attrs: { rel: 'modulepreload', href: `/${file}` }, injectTo: 'head' }))
        }
        if (!context.path.endsWith('/hub.html')) return []
        const content = [...files].map((file) => `/${file}`).join(' ')
        return [{ tag: 'meta', attrs: { name: 'loggia:viewer', content }, injectTo: 'head' }]
      },
    },
  }
}
