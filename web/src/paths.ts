/** Every address the pages link to. All are under the entrance's base ("" or "/public"). */
export const paths = {
  hub: (base: string) => `${base}/hub`,
  stream: (base: string, stream: string) => `${base}/hub/stream/${encodeURIComponent(stream)}`,
  app: (base: string, app: string) => `${base}/sense/app/${encodeURIComponent(app)}`,
  sheet: (base: string, app: string, sheet: string) =>
    `${base}/sense/app/${encodeURIComponent(app)}/sheet/${encodeURIComponent(sheet)}/state/analysis`,
  login: (base: string, target?: string) =>
    target === undefined ? `${base}/login` : `${base}/login?target=${encodeURIComponent(target)}`,
  logout: (base: string) => `${base}/logout`,
  otherSessions: (base: string) => `${base}/logout/others`,
  appDetails: (base: string, app: string) => `${base}/api/v1/apps/${encodeURIComponent(app)}`,
}

/** The entrance's own log-in address, if it names one, with the page to come back to. */
export function loginPath(base: string, loginUrl: string | undefined, target: string): string {
  if (loginUrl === undefined || loginUrl === paths.login(base)) return paths.login(base, target)
  const joint = loginUrl.includes('?') ? '&' : '?'
  return `${loginUrl}${joint}target=${encodeURIComponent(target)}`
}

/** The engine's socket for an app: enigma and the server agree that the app id is part of the path. */
export function socketUrl(location: { protocol: string; host: string }, base: string, app: string): string {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  return `${scheme}://${location.host}${base}/app/${encodeURIComponent(app)}`
}

/** Which sheet of the app an address shows; undefined means the app's overview. */
export function sheetOf(pathname: string, base: string, app: string): string | undefined {
  const start = `${paths.app(base, app)}/sheet/`
  if (!pathname.startsWith(start)) return undefined
  const [segment] = pathname.slice(start.length).split('/')
  if (!segment) return undefined
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** Which stream of the hub an address shows; undefined means all. */
export function streamOf(pathname: string, base: string): string | undefined {
  const start = `${paths.hub(base)}/stream/`
  if (!pathname.startsWith(start)) return undefined
  try {
    return decodeURIComponent(pathname.slice(start.length).replace(/\/$/, '')) || undefined
  } catch {
    return undefined
  }
}

/** A page may only send people to its own origin; anything else falls back. */
export function safeTarget(target: string | null | undefined, fallback: string): string {
  if (!target || !target.startsWith('/') || target.startsWith('//') || target.includes('\\')) return fallback
  return target
}
