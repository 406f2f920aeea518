import { numbersFrom } from './seed'

/** The picture of an app that has none: an arcade whose arches differ from app to app. */
export function Pattern({ seed }: { readonly seed: string }) {
  const next = numbersFrom(seed)
  const hue = Math.floor(next() * 6)
  const arches = 5 + Math.floor(next() * 4)
  const width = 320 / arches
  const items = Array.from({ length: arches }, (_, index) => {
    const height = 45 + next() * 95
    const left = index * width + width * 0.16
    const right = (index + 1) * width - width * 0.16
    const radius = (right - left) / 2
    const top = 180 - height
    return { d: `M${left.toFixed(1)} 180V${top.toFixed(1)}a${radius.toFixed(1)} ${radius.toFixed(1)} 0 0 1 ${(radius * 2).toFixed(1)} 0V180Z`, strong: next() > 0.62 }
  })
  return (
    <svg class={`pattern hue-${hue}`} viewBox="0 0 320 180" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
      {items.map(({ d, strong }, index) => (
        <path key={index} d={d} class={strong ? 'strong' : undefined} />
      ))}
    </svg>
  )
}
