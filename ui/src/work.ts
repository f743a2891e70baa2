/** Heavy pieces of work, a few milliseconds a frame, so that scrolling stays smooth. */

/** What is drawn in it is rastered in the same frame, which takes two to three times as long. */
const SLICE_MS = 3
/** So long nothing may have been scrolled before what nobody sees is done. */
const QUIET_MS = 250

const queue = new Map<object, () => void>()
const unseen = new Map<object, () => void>()
let scheduled = false
let waiting = false
let scrolledMs = -Infinity

/** Do this soon; a newer piece of the same owner replaces an older one. */
export function soon(owner: object, piece: () => void): void {
  queue.set(owner, piece)
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

function slice(): void {
  const stop = performance.now() + SLICE_MS
  for (const [owner, piece] of queue) {
    queue.delete(owner)
    piece()
    if (performance.now() > stop) break
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
    next[1]()
  }
  waiting = unseen.size > 0
  if (waiting) setTimeout(rest, busy ? QUIET_MS : 16)
}
