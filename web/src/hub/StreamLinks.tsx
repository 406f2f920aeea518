import type { Stream } from '../data'
import { paths } from '../paths'
import { count } from './find'

interface Props {
  readonly base: string
  readonly streams: readonly Stream[]
  readonly chosen: string | undefined
  readonly onGo: (event: MouseEvent, href: string) => void
}

export function StreamLinks({ base, streams, chosen, onGo }: Props) {
  return (
    <nav class="streams" aria-label="Streams">
      <StreamLink label="All" href={paths.hub(base)} count={count(streams)} isCurrent={chosen === undefined} onGo={onGo} />
      {streams.map((stream) => (
        <StreamLink
          key={stream.id}
          label={stream.name}
          href={paths.stream(base, stream.id)}
          count={stream.apps.length}
          isCurrent={chosen === stream.id}
          onGo={onGo}
        />
      ))}
    </nav>
  )
}

interface StreamLinkProps {
  readonly label: string
  readonly href: string
  readonly count: number
  readonly isCurrent: boolean
  readonly onGo: (event: MouseEvent, href: string) => void
}

function StreamLink({ label, href, count, isCurrent, onGo }: StreamLinkProps) {
  return (
    <a href={href} aria-current={isCurrent ? 'page' : undefined} onClick={(event) => onGo(event, href)}>
      {label} <span class="count">{count}</span>
    </a>
  )
}
