// The chart packages carry no types; each default-exports a stardust chart.
declare module '@nebula.js/sn-bar-chart' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-line-chart' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-pie-chart' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-table' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-kpi' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-scatter-plot' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-pivot-table' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
declare module '@nebula.js/sn-filter-pane' {
  import type { stardust } from '@nebula.js/stardust'
  const chart: stardust.Visualization
  export default chart
}
