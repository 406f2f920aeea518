/** The charts' twins of the pages' colours. The order of the series also passes for colour-blind people. */
interface Tones {
  readonly type: 'light' | 'dark'
  readonly ink: string
  readonly quiet: string
  readonly line: string
  readonly surface: string
  readonly sunken: string
  readonly hover: string
  readonly primary: string
  readonly selected: string
  readonly alternative: string
  readonly excluded: string
  readonly series: readonly string[]
  readonly low: string
  readonly high: string
  readonly middle: string
}

const light: Tones = {
  type: 'light',
  ink: '#1d242b',
  quiet: '#56616b',
  line: '#e4e1d9',
  surface: '#ffffff',
  sunken: '#f6f5f1',
  hover: '#eef4f5',
  primary: '#2b7a8c',
  selected: '#12705a',
  alternative: '#e9e6de',
  excluded: '#c9c6be',
  series: ['#2b7a8c', '#d08433', '#6b76b4', '#9bb04f', '#b5577c', '#63b3c1', '#8c6b4f', '#e3bc5b', '#4b5a68', '#c49cb8', '#52795a', '#a8adb2'],
  low: '#cfe3e6',
  high: '#12596a',
  middle: '#f2ead9',
}

const dark: Tones = {
  type: 'dark',
  ink: '#e9e7e2',
  quiet: '#a3abb2',
  line: '#333a40',
  surface: '#1c2024',
  sunken: '#23282d',
  hover: '#262d32',
  primary: '#4fa5b6',
  selected: '#2f9678',
  alternative: '#3a4147',
  excluded: '#4d555b',
  series: ['#4fa5b6', '#dc9a52', '#8791cd', '#a9bd63', '#c8708f', '#86cad6', '#b08d70', '#e8c878', '#8a98a5', '#d3b2c8', '#77a080', '#b9bec2'],
  low: '#1f4149',
  high: '#8fd2de',
  middle: '#4a4436',
}

const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"

function theme(tones: Tones) {
  const { ink, quiet, line, surface, sunken, hover } = tones
  const label = { color: quiet, fontSize: '12px', fontFamily: font }
  const axis = {
    title: { ...label, fontSize: '12px' },
    label: { name: label },
    line: { major: { color: line }, minor: { color: line } },
  }
  return {
    type: tones.type,
    fontFamily: font,
    fontSize: '13px',
    color: ink,
    backgroundColor: surface,
    dataColors: {
      primaryColor: tones.primary,
      othersColor: quiet,
      errorColor: '#c0392b',
      nullColor: tones.excluded,
    },
    object: {
      title: {
        main: { color: ink, fontSize: '15px', fontFamily: font, fontStyle: ['bold'] },
        subTitle: { color: quiet, fontSize: '13px', fontFamily: font },
        footer: { color: quiet, fontSize: '12px', fontFamily: font },
      },
      axis,
      grid: { line: { major: { color: line }, minor: { color: line } } },
      legend: { title: { ...label, color: ink }, label },
      label: { name: { ...label, color: ink }, value: { ...label, color: ink } },
      referenceLine: { label: { name: label } },
      kpi: { label: { name: { color: quiet, fontFamily: font }, value: { color: ink, fontFamily: font } } },
      listBox: {
        backgroundColor: surface,
        title: { main: { color: ink, fontSize: '14px', fontFamily: font, fontStyle: ['bold'] } },
        content: { color: ink, fontSize: '13px', fontFamily: font },
        dataColors: {
          selected: tones.selected,
          alternative: tones.alternative,
          excluded: tones.excluded,
          selectedExcluded: tones.excluded,
          possible: surface,
        },
      },
      filterpane: { title: { main: { color: ink, fontSize: '14px', fontFamily: font } } },
      straightTableV2: {
        backgroundColor: surface,
        header: { color: ink, backgroundColor: sunken, fontSize: '13px', fontFamily: font },
        content: { color: ink, backgroundColor: surface, fontSize: '13px', fontFamily: font, hover: { backgroundColor: hover, color: ink } },
      },
      pivotTableV2: {
        backgroundColor: surface,
        header: { color: ink, backgroundColor: sunken, fontSize: '13px', fontFamily: font },
        content: { color: ink, backgroundColor: surface, fontSize: '13px', fontFamily: font },
        dimension: { label: { name: { color: ink, backgroundColor: sunken, fontSize: '13px' }, value: { color: ink, backgroundColor: surface, fontSize: '13px' } } },
        measure: { label: { name: { color: quiet, backgroundColor: sunken, fontSize: '13px' }, value: { color: ink, backgroundColor: surface, fontSize: '13px' } } },
        total: { label: { name: { color: ink, backgroundColor: sunken }, value: { color: ink, backgroundColor: sunken } } },
        null: { label: { name: { color: quiet, backgroundColor: surface }, value: { color: quiet, backgroundColor: surface } } },
        grid: { borderColor: line, backgroundColor: surface, divider: { borderColor: line } },
      },
    },
    scales: [
      { name: 'Gradient', type: 'gradient', propertyValue: 'sg', scale: [tones.low, tones.high] },
      { name: 'Classes', type: 'class', propertyValue: 'sc', scale: [tones.low, tones.high] },
      { name: 'Diverging gradient', type: 'gradient', propertyValue: 'dg', scale: [tones.high, tones.middle, '#c0714a'] },
      { name: 'Diverging classes', type: 'class', propertyValue: 'dc', scale: [tones.high, tones.middle, '#c0714a'] },
    ],
    palettes: {
      data: [
        {
          name: 'Loggia',
          propertyValue: '12',
          type: 'pyramid',
          scale: tones.series.map((_, index) => tones.series.slice(0, index + 1)),
        },
      ],
      ui: [{ name: 'Loggia', colors: [...tones.series, '#ffffff', '#000000'] }],
    },
  }
}

export const themes = {
  light: theme(light),
  dark: theme(dark),
}
