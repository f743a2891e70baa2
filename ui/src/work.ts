/** Heavy pieces of work, a few milliseconds a frame, so that scrolling stays smooth. */

/** What is drawn in it is rastered in the same frame, which takes two to three times as long. */
const SLICE_MS = 3

const queue = new Map<object, () => void>()
let scheduled = false

/** Do this soon; a newer piece of the same owner replaces an older one. */
export function soon(owner: object, piece: () => void): void {
  queue.set(owner, piece)
  if (scheduled) return
  scheduled = true
  requestAnimationFrame(slice)
}

export function forget(owner: object): void {
  queue.delete(owner)
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
