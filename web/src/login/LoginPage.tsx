import { useState } from 'preact/hooks'
import type { PageData } from '../data'
import { Brand } from '../kit/Brand'
import { ThemeSwitch } from '../kit/ThemeSwitch'
import { paths, safeTarget } from '../paths'

export function LoginPage({ data }: { readonly data: PageData }) {
  const name = data.username ?? ''
  const [isBusy, setBusy] = useState(false)
  const hub = paths.hub(data.base)
  // The server has checked it: a path of the hub, or an address on a host that the entrance lists.
  const target = data.target ?? safeTarget(new URLSearchParams(location.search).get('target'), hub)
  const refusal = data.message
  return (
    <>
      <header class="top">
        <Brand name={data.product.name} href={hub} />
        <span class="fill" />
        <ThemeSwitch />
      </header>
      <main class="card-page">
        <form
          class="card login"
          method="post"
          action={paths.login(data.base)}
          onSubmit={() => setBusy(true)}
        >
          <div>
            <h1>Log in</h1>
            <p>{data.entrance.anonymous === 'never' ? 'This entrance asks everyone to log in.' : 'You come back to where you were.'}</p>
          </div>
          {refusal && (
            <div class="refusal" role="alert">
              <strong>{refusal.title}</strong>
              <p>{refusal.text}</p>
              {refusal.reference && <small>Reference {refusal.reference}</small>}
            </div>
          )}
          <label class="field">
            <span>User name</span>
            <input
              name="username"
              type="text"
              autocomplete="username"
              autocapitalize="none"
              spellcheck={false}
              required
              defaultValue={name}
              autofocus={name === ''}
            />
          </label>
          <label class="field">
            <span>Password</span>
            <input name="password" type="password" autocomplete="current-password" required autofocus={name !== ''} />
          </label>
          <input type="hidden" name="target" value={target} />
          <input type="hidden" name="csrf" value={data.csrf} />
          <button type="submit" class="button primary" disabled={isBusy}>{isBusy ? 'Logging in…' : 'Log in'}</button>
          {data.asked && <small class="quiet">Code {data.asked.code} · Reference {data.asked.reference}</small>}
          {data.entrance.anonymous !== 'never' && <a href={target}>Go on as a visitor</a>}
        </form>
      </main>
    </>
  )
}
