import { flag, list, number, oneOf, optional, or, record, text, type Decode } from './kit/decode'

/** The data block that the server puts into every page. */
export interface PageData {
  readonly base: string
  readonly entrance: Entrance
  readonly product: { readonly name: string; readonly version: string }
  readonly me: Me
  readonly csrf: string
  readonly hub: Hub | undefined
  readonly app: App | undefined
  readonly sheet: string | undefined
  /** What a deep link asks for once the app is open. */
  readonly opening: Opening | undefined
  readonly message: Message | undefined
  /** What was typed before a refused login. */
  readonly username: string | undefined
  readonly target: string | undefined
  /** Set where the login page itself is the refusal: this entrance admits no visitors. */
  readonly asked: { readonly code: string; readonly reference: string } | undefined
}

export interface Opening {
  readonly clears: boolean
  readonly bookmark: string | undefined
  readonly select: readonly { readonly field: string; readonly values: readonly string[] }[]
}

export interface Entrance {
  readonly prefix: string
  readonly anonymous: 'never' | 'allowed' | 'always' | 'silentFirst'
}

export interface Me {
  readonly isAnonymous: boolean
  readonly name: string
  readonly directory: string | undefined
  readonly userId: string | undefined
  readonly loginUrl: string | undefined
  readonly logoutUrl: string | undefined
}

export interface Hub {
  readonly streams: readonly Stream[]
}

export interface Stream {
  readonly id: string
  readonly name: string
  readonly apps: readonly AppCard[]
}

export interface AppCard {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly lastReload: string | undefined
  readonly owner: string
  readonly thumbnail: string | undefined
  readonly may: readonly string[]
}

export interface App {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly stream: { readonly id: string; readonly name: string } | undefined
  readonly lastReload: string | undefined
  readonly sheets: readonly Sheet[]
  readonly may: readonly string[]
}

export interface Sheet {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly rank: number
}

export interface Message {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly text: string
  readonly reference: string
  readonly time: string
  /** When trying again makes sense, if that is known. */
  readonly renews: string | undefined
  /** Who was turned away, if they signed in. */
  readonly principal: string | undefined
  readonly action: Action | undefined
  readonly secondary: Action | undefined
  /** A button that changes something; it comes before the others. */
  readonly form: MessageForm | undefined
}

export interface MessageForm {
  readonly label: string
  readonly action: string
  readonly csrf: string
  readonly target: string
}

export interface Action {
  readonly label: string
  readonly href: string
}

const words = or(text, '')
const named = record<{ id: string; name: string }>({ id: text, name: text })
const action = record<Action>({ label: text, href: text })

const appCard = record<AppCard>({
  id: text,
  name: text,
  description: words,
  lastReload: optional(text),
  owner: words,
  thumbnail: optional(text),
  may: or(list(text), []),
})

const stream = record<Stream>({ id: text, name: text, apps: list(appCard) })

const sheet = record<Sheet>({ id: text, title: words, description: words, rank: or(number, 0) })

const app = record<App>({
  id: text,
  name: text,
  description: words,
  stream: optional(named),
  lastReload: optional(text),
  sheets: or(list(sheet), []),
  may: or(list(text), []),
})

export const message = record<Message>({
  code: words,
  status: or(number, 200),
  title: text,
  text: words,
  reference: words,
  time: words,
  renews: optional(text),
  principal: optional(text),
  action: optional(action),
  secondary: optional(action),
  form: optional(record<MessageForm>({ label: text, action: text, csrf: words, target: text })),
})

export const pageData: Decode<PageData> = record<PageData>({
  base: text,
  entrance: record<Entrance>({ prefix: words, anonymous: or(oneOf('never', 'allowed', 'always', 'silentFirst'), 'never') }),
  product: record<PageData['product']>({ name: or(text, 'Loggia'), version: words }),
  me: record<Me>({
    isAnonymous: flag,
    name: words,
    directory: optional(text),
    userId: optional(text),
    loginUrl: optional(text),
    logoutUrl: optional(text),
  }),
  csrf: words,
  hub: optional(record<Hub>({ streams: list(stream) })),
  app: optional(app),
  sheet: optional(text),
  opening: optional(
    record<Opening>({
      clears: or(flag, false),
      bookmark: optional(text),
      select: or(list(record<Opening['select'][number]>({ field: text, values: or(list(text), []) })), []),
    }),
  ),
  message: optional(message),
  username: optional(text),
  target: optional(text),
  asked: optional(record<{ code: string; reference: string }>({ code: text, reference: words })),
})

/** Reads the data block of this page. */
export function readPageData(source: Document = document): PageData {
  const element = source.getElementById('loggia-data')
  const json: unknown = JSON.parse(element?.textContent ?? 'null')
  return pageData(json, '')
}
