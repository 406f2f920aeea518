import type { Message, PageData } from '../data'
import { Brand } from '../kit/Brand'
import { ThemeSwitch } from '../kit/ThemeSwitch'
import { paths } from '../paths'
import { MessageCard } from './MessageCard'

const unknown: Message = {
  code: '',
  status: 200,
  title: 'Nothing to show',
  text: 'This page carries a message when there is one.',
  reference: '',
  time: '',
  renews: undefined,
  principal: undefined,
  action: undefined,
  secondary: undefined,
  form: undefined,
}

export function MessagePage({ data }: { readonly data: PageData }) {
  const message = data.message ?? unknown
  const home = { label: 'Go to the hub', href: paths.hub(data.base) }
  return (
    <>
      <header class="top">
        <Brand name={data.product.name} href={paths.hub(data.base)} />
        <span class="fill" />
        <ThemeSwitch />
      </header>
      <main class="card-page">
        <MessageCard message={message} fallback={home} />
      </main>
    </>
  )
}
