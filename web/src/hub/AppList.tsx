import type { AppCard } from '../data'
import { freshness, moment } from '../kit/freshness'
import { paths } from '../paths'
import { Pattern } from './Pattern'

interface Props {
  readonly base: string
  readonly apps: readonly AppCard[]
  readonly view: 'tiles' | 'list'
}

export function AppList({ base, apps, view }: Props) {
  if (apps.length === 0) return <p class="none">No apps in this stream yet.</p>
  const now = Date.now()
  return (
    <ul class={view}>
      {apps.map((app) => (
        <li key={app.id}>
          <a class="app" href={paths.app(base, app.id)} data-app={app.id}>
            <span class="picture">
              {app.thumbnail ? <img src={app.thumbnail} alt="" loading="lazy" width="320" height="180" /> : <Pattern seed={app.id} />}
            </span>
            <span class="words">
              <span class="name">{app.name}</span>
              {app.description && <span class="about">{app.description}</span>}
              <span class="fresh" title={moment(app.lastReload)}>{freshness(app.lastReload, now)}</span>
            </span>
          </a>
        </li>
      ))}
    </ul>
  )
}
