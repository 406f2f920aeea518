// The chart packages carry no types; each default-exports a stardust chart.
declare module '@nebula.js/sn-bar-chart'
declare module '@nebula.js/sn-line-chart'
declare module '@nebula.js/sn-pie-chart'
declare module '@nebula.js/sn-table'
declare module '@nebula.js/sn-kpi'
declare module '@nebula.js/sn-scatter-plot'
declare module '@nebula.js/sn-pivot-table'
declare module '@nebula.js/sn-filter-pane'
