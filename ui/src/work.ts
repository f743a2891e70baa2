/** Heavy pieces of work, a few milliseconds a frame, so that scrolling stays smooth. */

const SLICE_MS = 4
/** What is drawn is rastered in the same frame, which takes two to three times as long. */
export const DRAWING = 3
/** So long nothing may have been scrolled before what nobody sees is done. */
const QUIET_MS = 250

interface Piece {
  work: () => void
  weight: number
}

const queue = new Map<object, Piece>()
const unseen = new Map<object, () => void>()
let scheduled = false
let waiting = false
let scrolledMs = -Infinity

/** Do this soon; a newer piece of the same owner replaces an older one. Its time counts `weight` times. */
export function soon(owner: object, work: () => void, weight = 1): void {
  queue.set(owner, { work, weight })
  if (scheduled) return
  scheduled = true
  requestAnimationFrame(slice)
}

/** Do this, which nobody sees, when the page is at rest: no scrolling, nothing to draw. */
export function later(owner: object, piece: () => void): void {
  unseen.set(owner, piece)
  if (waiting) return
  waiting = true
  setTimeout(rest, QUIET_MS)
}

/** The page is being scrolled. */
export function scrolling(): void {
  scrolledMs = performance.now()
}

export function forget(owner: object): void {
  queue.delete(owner)
  unseen.delete(owner)
}

/** Do this; what it throws is answered, so that what comes after it is done all the same. */
export function attempt<T>(work: () => T, undo?: () => void): T | Error {
  try {
    return work()
  } catch (thrown) {
    console.error(thrown)
    undo?.()
    return thrown instanceof Error ? thrown : new Error(String(thrown))
  }
}

function slice(): void {
  let spent = 0
  for (const [owner, { work, weight }] of queue) {
    queue.delete(owner)
    const started = performance.now()
    attempt(work)
    spent += (performance.now() - started) * weight
    if (spent > SLICE_MS) break
  }
  scheduled = queue.size > 0
  if (scheduled) requestAnimationFrame(slice)
}

/** One piece, and then look again. */
function rest(): void {
  const [next] = unseen
  const busy = queue.size > 0 || performance.now() - scrolledMs < QUIET_MS
  if (next && !busy) {
    unseen.delete(next[0])
    attempt(next[1])
  }
  waiting = unseen.size > 0
  if (waiting) setTimeout(rest, busy ? QUIET_MS : 16)
}
