import type { ComponentChildren } from 'preact'

interface Props {
  readonly children: ComponentChildren
}

function Icon({ children }: Props) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">
      {children}
    </svg>
  )
}

export const Search = () => <Icon><circle cx="11" cy="11" r="6.5" /><path d="m16 16 4.5 4.5" /></Icon>
export const Sun = () => <Icon><circle cx="12" cy="12" r="4" /><path d="M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4" /></Icon>
export const Moon = () => <Icon><path d="M20 14.5A8.3 8.3 0 0 1 9.5 4 8.3 8.3 0 1 0 20 14.5Z" /></Icon>
export const Screen = () => <Icon><rect x="3" y="4.5" width="18" height="12" rx="1.5" /><path d="M9 20h6M12 16.5V20" /></Icon>
export const Tiles = () => <Icon><rect x="4" y="4" width="6.5" height="6.5" rx="1" /><rect x="13.5" y="4" width="6.5" height="6.5" rx="1" /><rect x="4" y="13.5" width="6.5" height="6.5" rx="1" /><rect x="13.5" y="13.5" width="6.5" height="6.5" rx="1" /></Icon>
export const Rows = () => <Icon><path d="M4 6.5h16M4 12h16M4 17.5h16" /></Icon>
export const Back = () => <Icon><path d="M10 6 4 12l6 6M4.5 12H20" /></Icon>
export const StepBack = () => <Icon><path d="M8.5 5 4 9.5 8.5 14" /><path d="M4.5 9.5H15a5 5 0 0 1 0 10h-4" /></Icon>
export const StepForward = () => <Icon><path d="M15.5 5 20 9.5 15.5 14" /><path d="M19.5 9.5H9a5 5 0 0 0 0 10h4" /></Icon>
export const Previous = () => <Icon><path d="m14.5 6-6 6 6 6" /></Icon>
export const Next = () => <Icon><path d="m9.5 6 6 6-6 6" /></Icon>
export const Down = () => <Icon><path d="m6 9.5 6 6 6-6" /></Icon>
export const Cross = () => <Icon><path d="m6.5 6.5 11 11M17.5 6.5l-11 11" /></Icon>
export const ClearAll = () => <Icon><path d="M4.5 4.5h10v10h-10zM9.5 19.5h10v-10" /><path d="m7.5 7.5 4 4M11.5 7.5l-4 4" /></Icon>
export const Lock = () => <Icon><rect x="5.5" y="11" width="13" height="9" rx="1.5" /><path d="M8.5 11V8a3.5 3.5 0 0 1 7 0v3" /></Icon>
export const Person = () => <Icon><circle cx="12" cy="8" r="3.8" /><path d="M4.5 20a7.5 7.5 0 0 1 15 0" /></Icon>
export const Expand = () => <Icon><path d="M14 4.5h5.5V10M10 19.5H4.5V14M19 5l-5.5 5.5M5 19l5.5-5.5" /></Icon>
export const Shrink = () => <Icon><path d="M19.5 10H14V4.5M4.5 14H10v5.5M14.5 9.5 20 4M9.5 14.5 4 20" /></Icon>
export const Table = () => <Icon><rect x="3.5" y="5" width="17" height="14" rx="1.5" /><path d="M3.5 10h17M3.5 14.5h17M9.5 5v14" /></Icon>
export const Chart = () => <Icon><path d="M4 20h16M7 16.5v-5M12 16.5v-10M17 16.5v-7" /></Icon>
export const Grid = Tiles
export const Filter = () => <Icon><path d="M4 6h16M7 12h10M10 18h4" /></Icon>
