import type { Action, Message } from '../data'
import { moment } from '../kit/freshness'

interface Props {
  readonly message: Message
  readonly fallback: Action
}

/** What happened, why, the one thing to do next, and what to quote when asking for help. */
export function MessageCard({ message, fallback }: Props) {
  const { code, reference, time, renews, principal, action, secondary, form } = message
  const first = action ?? (form ? undefined : fallback)
  return (
    <section class="card" aria-labelledby="message-title">
      <h1 id="message-title">{message.title}</h1>
      {message.text && <p>{message.text}</p>}
      <div class="actions">
        {form && (
          <form method="post" action={form.action}>
            <input type="hidden" name="csrf" value={form.csrf} />
            <input type="hidden" name="target" value={form.target} />
            <button type="submit" class="button primary">{form.label}</button>
          </form>
        )}
        {first && <a class={form ? 'button' : 'button primary'} href={first.href}>{first.label}</a>}
        {secondary && <a class="button" href={secondary.href}>{secondary.label}</a>}
      </div>
      {(code || reference) && (
        <dl class="facts">
          {renews && <div><dt>Again from</dt><dd>{moment(renews) ?? renews}</dd></div>}
          {code && <div><dt>Code</dt><dd>{code}</dd></div>}
          {reference && <div><dt>Reference</dt><dd>{reference}</dd></div>}
          {time && <div><dt>Time</dt><dd>{moment(time) ?? time}</dd></div>}
          {principal && <div><dt>Account</dt><dd>{principal}</dd></div>}
        </dl>
      )}
    </section>
  )
}
