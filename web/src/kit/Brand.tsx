interface Props {
  readonly name: string
  readonly href: string
}

/** Three arches under one roof. */
export function Brand({ name, href }: Props) {
  return (
    <a class="brand" href={href}>
      <svg viewBox="0 0 26 26" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round">
        <path d="M2 5h22M3.5 22v-8.2a3.2 3.2 0 0 1 6.4 0V22M9.8 22v-8.2a3.2 3.2 0 0 1 6.4 0V22M16.1 22v-8.2a3.2 3.2 0 0 1 6.4 0V22" />
      </svg>
      <span>{name}</span>
    </a>
  )
}
