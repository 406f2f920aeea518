import type { App, PageData } from '../data'
import { freshness, moment } from '../kit/freshness'
import { follow, go, hrefOf } from './navigation'

interface Props {
  readonly data: PageData
  readonly app: App
}

/** What an app is and which sheets it has, for those who came without a sheet in the address. */
export function Overview({ data, app }: Props) {
  return (
    <>
      <section class="about-app" aria-label="About this app">
        {app.description && <p>{app.description}</p>}
        <p class="fresh">
          {app.stream && <span>{app.stream.name}</span>}
          <span title={moment(app.lastReload)}>{freshness(app.lastReload, Date.now())}</span>
        </p>
      </section>
      <h2 class="unseen">Sheets</h2>
      {app.sheets.length === 0 ? (
        <p class="empty-note">This app has no sheets that are shared with you.</p>
      ) : (
        <ol class="sheet-cards">
          {app.sheets.map(({ id, title, description }, index) => (
            <li key={id}>
              <a href={hrefOf(data, app.id, id)} onClick={(event) => follow(event, () => go(data, app.id, id))}>
                <Miniature index={index} />
                <span class="words">
                  <span class="name">{title}</span>
                  {description && <span class="about">{description}</span>}
                </span>
              </a>
            </li>
          ))}
        </ol>
      )}
    </>
  )
}

/** A drawn hint of a sheet; three arrangements take turns. */
function Miniature({ index }: { readonly index: number }) {
  const boxes = arrangements[index % arrangements.length] ?? []
  return (
    <svg class="miniature" viewBox="0 0 96 54" aria-hidden="true">
      {boxes.map(([x, y, width, height], box) => (
        <rect key={box} x={x} y={y} width={width} height={height} rx="2" class={box === 0 ? 'strong' : undefined} />
      ))}
    </svg>
  )
}

type Box = readonly [x: number, y: number, width: number, height: number]

const arrangements: readonly (readonly Box[])[] = [
  [[26, 20, 62, 28], [8, 6, 14, 42], [26, 6, 18, 10], [48, 6, 18, 10], [70, 6, 18, 10]],
  [[8, 6, 44, 42], [56, 6, 32, 19], [56, 29, 32, 19]],
  [[8, 6, 80, 20], [8, 30, 38, 18], [50, 30, 38, 18]],
]
