import type { PageData } from '../data'
import { loginPath, paths } from '../paths'
import { Person } from './icons'

interface Props {
  readonly data: PageData
  /** Where to come back to after signing in; read when the link is followed. */
  readonly target: () => string
}

/** Log in for visitors (where this entrance offers it); name and Log out for people who signed in. */
export function Account({ data, target }: Props) {
  const { me, base, csrf, entrance } = data
  if (me.isAnonymous) {
    if (entrance.anonymous === 'always') return null
    const href = loginPath(base, me.loginUrl, target())
    const follow = (event: MouseEvent) => {
      if (event.currentTarget instanceof HTMLAnchorElement) {
        event.currentTarget.href = loginPath(base, me.loginUrl, target())
      }
    }
    return <a class="button primary" href={href} onClick={follow}>Log in</a>
  }
  return (
    <>
      <span class="who" title={me.directory && me.userId ? `${me.directory}\\${me.userId}` : me.name}>
        <Person />
        <span>{me.name}</span>
      </span>
      <form class="inline" method="post" action={me.logoutUrl ?? paths.logout(base)}>
        <input type="hidden" name="csrf" value={csrf} />
        <button type="submit" class="button">Log out</button>
      </form>
    </>
  )
}

/** The address shown now, without its fragment. */
export function here(): string {
  return location.pathname + location.search
}
