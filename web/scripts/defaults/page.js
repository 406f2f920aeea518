import { embed, EnigmaMocker } from '@nebula.js/stardust'

const packages = {
  barchart: [() => import('@nebula.js/sn-bar-chart'), ['Dim', '=Sum(X)']],
  linechart: [() => import('@nebula.js/sn-line-chart'), ['Dim', '=Sum(X)']],
  piechart: [() => import('@nebula.js/sn-pie-chart'), ['Dim', '=Sum(X)']],
  kpi: [() => import('@nebula.js/sn-kpi'), ['=Sum(X)']],
  table: [() => import('@nebula.js/sn-table'), ['Dim', '=Sum(X)']],
  scatterplot: [() => import('@nebula.js/sn-scatter-plot'), ['Dim', '=Sum(X)', '=Sum(Y)']],
  'pivot-table': [() => import('@nebula.js/sn-pivot-table'), ['Dim', 'Dim2', '=Sum(X)']],
  filterpane: [() => import('@nebula.js/sn-filter-pane'), []],
}

window.QlikMain = Object.freeze({ import: () => Promise.reject(new Error('off')) })

window.capture = async (type) => {
  const [load, fields] = packages[type]
  const chart = (await load()).default
  const app = await EnigmaMocker.fromGenericObjects([])
  const nebula = embed(app, { types: [{ name: type, load: () => Promise.resolve(chart) }] })
  return nebula.generateProperties({ type, fields })
}
window.captureListbox = async () => {
  let asked
  const app = await EnigmaMocker.fromGenericObjects([])
  app.createSessionObject = (properties) => {
    if (properties.qListObjectDef) asked = properties
    return new Promise(() => {})
  }
  const element = document.body.appendChild(document.createElement('div'))
  const field = await embed(app).field('Field')
  field.mount(element, {})
  while (!asked) await new Promise((resolve) => setTimeout(resolve, 20))
  return asked
}
window.types = Object.keys(packages)
window.ready = true
