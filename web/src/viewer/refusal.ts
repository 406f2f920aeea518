import { message as decodeMessage, type Message, type PageData } from '../data'
import { optional, or, record, text } from '../kit/decode'
import { loginPath, paths } from '../paths'
import type { Ending } from './engine'

interface Problem {
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly reference: string
  readonly renews: string | undefined
  readonly principal: string | undefined
}

const problem = record<Problem>({
  code: or(text, ''),
  title: text,
  detail: or(text, ''),
  reference: or(text, ''),
  renews: optional(text),
  principal: optional(text),
})

/** The server's reason for not opening the app, or undefined when it has none (or cannot be reached). */
export async function whyRefused(data: PageData, app: string): Promise<Message | undefined> {
  try {
    const response = await fetch(paths.appDetails(data.base, app), { headers: { accept: 'application/json' } })
    if (response.ok || response.status >= 500) return undefined
    const found = problem(await response.json(), '')
    return refusal(data, response.status, found)
  } catch {
    return undefined
  }
}

function refusal(data: PageData, status: number, found: Problem): Message {
  const hub = { label: 'Back to the hub', href: paths.hub(data.base) }
  const canLogIn = data.me.isAnonymous && data.entrance.anonymous !== 'always'
  // The page that is asked again has no other way out either: it offers to end the others.
  const others = { label: 'End my other sessions', action: paths.otherSessions(data.base), csrf: data.csrf, target: location.pathname }
  const login = { label: 'Log in', href: loginPath(data.base, data.me.loginUrl, location.pathname) }
  return decodeMessage(
    {
      code: found.code,
      status,
      title: found.title,
      text: found.detail,
      reference: found.reference,
      time: new Date().toISOString(),
      renews: found.renews ?? null,
      principal: found.principal ?? null,
      action: canLogIn ? login : hub,
      secondary: canLogIn ? hub : null,
      form: found.code === 'LIC-SESSIONS' ? others : null,
    },
    '',
  )
}

const sentences: Record<Exclude<Ending, 'OnLicenseAccessDenied' | 'OnMaxParallelSessionsExceeded'>, string> = {
  OnSessionLoggedOut: 'You have been logged out. What you see is the last state.',
  OnSessionTimedOut: 'The session ended because it was not used for a while. What you see is the last state.',
  OnSessionClosed: 'The server ended this session. What you see is the last state.',
  OnNoEngineAvailable: 'No engine is free to open this app right now.',
}

interface EndParams {
  readonly title: string | undefined
  readonly text: string | undefined
  readonly renews: string | undefined
  readonly message: string | undefined
  readonly code: string | undefined
  readonly reference: string | undefined
}

const endParams = record<EndParams>({
  title: optional(text),
  text: optional(text),
  renews: optional(text),
  message: optional(text),
  code: optional(text),
  reference: optional(text),
})

/** What an ending means for the page: the last picture with a way on, or a message in its place. */
export function endOf(data: PageData, name: Ending, params: unknown): { readonly kind: 'ended'; readonly text: string } | { readonly kind: 'refused'; readonly message: Message } {
  const said = readEnd(params)
  if (name !== 'OnLicenseAccessDenied' && name !== 'OnMaxParallelSessionsExceeded') {
    const why = said.code ? ` (${said.code}${said.reference ? `, reference ${said.reference}` : ''})` : ''
    return { kind: 'ended', text: sentences[name] + why }
  }
  const isLicence = name === 'OnLicenseAccessDenied'
  const code = said.code ?? (isLicence ? 'LIC-NONE' : 'SES-PARALLEL')
  return {
    kind: 'refused',
    message: refusal(data, 403, {
      code,
      title: said.title ?? (!isLicence || code === 'LIC-SESSIONS' ? 'Too many sessions' : code === 'LIC-ANON-KIND' ? 'No access for visitors' : 'No capacity for this app'),
      detail: said.text ?? said.message ?? 'The server has no capacity left that may be used here.',
      reference: said.reference ?? '',
      renews: said.renews,
      principal: data.me.isAnonymous || !data.me.userId ? undefined : `${data.me.directory}\\${data.me.userId}`,
    }),
  }
}

function readEnd(params: unknown): EndParams {
  try {
    const said = endParams(params, '')
    // Some endings carry their code and reference only as the tail of the sentence.
    const tail = /^(.*?)\s*\(([A-Z]+(?:-[A-Z]+)+), reference (\w+)\)\.?$/s.exec(said.message ?? '')
    if (!tail) return said
    return { ...said, message: `${tail[1] ?? ''}.`, code: said.code ?? tail[2], reference: said.reference ?? tail[3] }
  } catch {
    return { title: undefined, text: undefined, renews: undefined, message: undefined, code: undefined, reference: undefined }
  }
}
