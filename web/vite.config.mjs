import { resolve } from 'node:path'
import { defineConfig } from 'vite'
import { paintWithScript, viewerHints } from './scripts/page-plugins.mjs'
import { mockPages } from './mock/plugin.mjs'

const page = (name) => resolve(import.meta.dirname, `${name}.html`)

export default defineConfig({
  base: '/',
  appType: 'mpa',
  plugins: [paintWithScript(), viewerHints(), mockPages()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    // Every browser the charts run in knows modulepreload.
    modulePreload: { polyfill: false },
    // The chart packages are large by nature and load one by one.
    chunkSizeWarningLimit: 2600,
    rolldownOptions: {
      input: { hub: page('hub'), viewer: page('viewer'), login: page('login'), message: page('message') },
      output: {
        codeSplitting: {
          // What every page shares is one cached file; chart code never joins it.
          groups: [{ name: 'kit', test: /src\/(kit|paths|data)|node_modules\/@?preact/, minShareCount: 2 }],
        },
      },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
})
