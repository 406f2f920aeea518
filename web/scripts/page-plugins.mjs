import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const earlySource = resolve(import.meta.dirname, '../src/kit/early.js')

/**
 * Applies the remembered theme before the first paint. A module script would run after it, and an
 * inline one is forbidden by the pages' content security policy, so this is one tiny blocking file.
 */
export function earlyTheme() {
  let fileName = ''
  let isServing = false
  return {
    name: 'loggia:early-theme',
    configResolved(config) {
      isServing = config.command === 'serve'
    },
    buildStart() {
      if (isServing) return
      const source = readFileSync(earlySource, 'utf8')
        .replace(/^\s*\/\/.*$/gm, '')
        .replace(/\n\s+/g, '\n')
        .trim()
      const hash = createHash('sha256').update(source).digest('base64url').slice(0, 8)
      fileName = `assets/early-${hash}.js`
      this.emitFile({ type: 'asset', fileName, source })
    },
    transformIndexHtml: {
      order: 'post',
      handler(_html, context) {
        const src = context.bundle ? `/${fileName}` : '/src/kit/early.js'
        return [{ tag: 'script', attrs: { src }, injectTo: 'head-prepend' }]
      },
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
