/** What is looked at. It lives in the address, so Back is undo and a link shows the same. */

import { saved } from './saved'
import { DEFAULTS, format, parse, type View } from './view'

const MERGE_MS = 1500

class Looking {
  now = $state.raw<View>({ ...DEFAULTS })
}

export const looking = new Looking()

let mergedName = ''
let mergedAt = 0

export function start(): () => void {
  const read = () => {
    looking.now = parse(saved.data ? location.hash.slice(1) || saved.data.view : location.search)
    mergedName = ''
  }
  read()
  addEventListener('popstate', read)
  return () => removeEventListener('popstate', read)
}

/** A file has nothing behind its name but what comes after a #. */
function addressOf(view: View): string {
  return saved.data ? `#${format(view) || '?'}` : location.pathname + format(view)
}

/**
 * Change the view. Changes that share a `merge` name within a moment (typing, dragging) are one
 * step for Back.
 */
export function change(patch: Partial<View>, merge = ''): void {
  const next = { ...looking.now, ...patch }
  const address = addressOf(next)
  if (format(next) === format(looking.now)) return
  looking.now = next
  const now = performance.now()
  const merges = merge !== '' && merge === mergedName && now - mergedAt < MERGE_MS
  if (merges) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  mergedName = merge
  mergedAt = now
}

/** Change without a step for Back: the pinned cursor that follows the arrow keys. */
export function amend(patch: Partial<View>): void {
  looking.now = { ...looking.now, ...patch }
  history.replaceState(null, '', addressOf(looking.now))
}

export function toggled(list: string[], item: string): string[] {
  return list.includes(item) ? list.filter((each) => each !== item) : [...list, item]
}
