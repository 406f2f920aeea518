import type { PageData } from '../data'
import { Account, here } from '../kit/Account'
import { ThemeSwitch } from '../kit/ThemeSwitch'
import { paths } from '../paths'

export function ViewerPage({ data }: { readonly data: PageData }) {
  const { app } = data
  return (
    <>
      <header class="top">
        <a class="tool" href={paths.hub(data.base)}>Hub</a>
        <h1>{app?.name}</h1>
        <span class="fill" />
        <ThemeSwitch />
        <Account data={data} target={here} />
      </header>
      <main>
        <ul>
          {app?.sheets.map((sheet) => (
            <li key={sheet.id}><a href={paths.sheet(data.base, app.id, sheet.id)}>{sheet.title}</a></li>
          ))}
        </ul>
      </main>
    </>
  )
}
