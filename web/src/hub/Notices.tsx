import type { PageData } from '../data'
import { here } from '../kit/Account'
import { loginPath, paths } from '../paths'

export function Visitor({ data }: { readonly data: PageData }) {
  const canLogIn = data.entrance.anonymous !== 'always'
  return (
    <aside class="visitor" aria-label="Your visit">
      You are browsing as a visitor.
      {canLogIn && <> <a href={loginPath(data.base, data.me.loginUrl, here())}>Log in</a> to see what is shared with you.</>}
    </aside>
  )
}

interface EmptyProps {
  readonly data: PageData
  readonly query: string
  /** The address names a stream that this person cannot see, or that is gone. */
  readonly isLost: boolean
  readonly onClear: () => void
}

/** Why the hub shows nothing, and the one thing to do about it. */
export function Empty({ data, query, isLost, onClear }: EmptyProps) {
  if (query) {
    return (
      <div class="empty">
        <p>No apps match “{query}”.</p>
        <button type="button" class="button" onClick={onClear}>Clear the search</button>
      </div>
    )
  }
  if (isLost) {
    return (
      <div class="empty">
        <p>This stream is not available to you.</p>
        <a class="button" href={paths.hub(data.base)}>Show all streams</a>
      </div>
    )
  }
  const { me, entrance } = data
  if (!me.isAnonymous) {
    return <div class="empty"><p>Nothing has been shared with you yet.</p></div>
  }
  return (
    <div class="empty">
      <p>Nothing has been shared with visitors here.</p>
      {entrance.anonymous !== 'always' && <a class="button primary" href={loginPath(data.base, me.loginUrl, here())}>Log in</a>}
    </div>
  )
}
