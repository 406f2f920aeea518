/** Small typed readers for JSON that came from outside: each either returns a value of its type or throws with a path. */
export type Decode<T> = (value: unknown, path: string) => T

export class DecodeError extends Error {
  constructor(path: string, expected: string) {
    super(`${path || 'value'} should be ${expected}`)
    this.name = 'DecodeError'
  }
}

export const text: Decode<string> = (value, path) => {
  if (typeof value === 'string') return value
  throw new DecodeError(path, 'text')
}

export const number: Decode<number> = (value, path) => {
  if (typeof value === 'number') return value
  throw new DecodeError(path, 'a number')
}

export const flag: Decode<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value
  throw new DecodeError(path, 'true or false')
}

export function oneOf<const T extends string>(...allowed: readonly T[]): Decode<T> {
  return (value, path) => {
    const found = allowed.find((item) => item === value)
    if (found === undefined) throw new DecodeError(path, allowed.join(' or '))
    return found
  }
}

/** Absent and null are the same to us: the server may leave a key out or send null. */
export function optional<T>(decode: Decode<T>): Decode<T | undefined> {
  return (value, path) => (value === undefined || value === null ? undefined : decode(value, path))
}

export function or<T>(decode: Decode<T>, fallback: T): Decode<T> {
  return (value, path) => (value === undefined || value === null ? fallback : decode(value, path))
}

export function list<T>(decode: Decode<T>): Decode<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new DecodeError(path, 'a list')
    return value.map((item: unknown, index) => decode(item, `${path}[${index}]`))
  }
}

type Shape<T> = { readonly [K in keyof T]-?: Decode<T[K]> }

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function record<T extends object>(shape: Shape<T>): Decode<T> {
  return (value, path) => {
    if (!isRecord(value)) throw new DecodeError(path, 'an object')
    const result: Partial<T> = {}
    for (const key in shape) {
      result[key] = shape[key](value[key], path ? `${path}.${key}` : key)
    }
    return complete(result, shape)
  }
}

/** Every key of the shape was just assigned, which the type system cannot see through the loop. */
function complete<T extends object>(partial: Partial<T>, shape: Shape<T>): T {
  const isComplete = (value: Partial<T>): value is T => Object.keys(shape).every((key) => key in value)
  if (!isComplete(partial)) throw new DecodeError('', 'complete')
  return partial
}
