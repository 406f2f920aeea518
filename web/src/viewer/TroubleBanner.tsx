import { trouble } from './connection'

export function TroubleBanner() {
  const state = trouble.value
  return (
    <div role="status" aria-live="polite">
      {state.kind === 'lost' && (
        <p class="banner">
          <span class="pulse" aria-hidden="true" /> Reconnecting, your selections are kept
        </p>
      )}
      {state.kind === 'ended' && (
        <p class="banner">
          {state.text}
          <button type="button" class="button" onClick={() => location.reload()}>Continue</button>
        </p>
      )}
    </div>
  )
}
