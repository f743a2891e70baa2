/** Objects that the server sends are keyed by names from data. */

/** What one has under such a name, which may be called like what every object has: `constructor`. */
export function own<T>(of: Record<string, T> | null | undefined, name: string): T | undefined {
  return of && Object.hasOwn(of, name) ? of[name] : undefined
}
