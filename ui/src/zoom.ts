/** Ranges of the x axis: how keys and fingers change them. */

import type { Axis } from './types'

export type Range = [start: number, stop: number]

/** Less than this of anything cannot be looked at: steps are whole, clocks have microseconds. */
const SPAN_MIN: Record<Axis, number> = { step: 1, relative: 0.001, wall: 0.001 }
const SPAN_MAX = 1e15

/** Nearer (factor below 1) or farther, with one place staying where it is. */
export function zoomed([start, stop]: Range, factor: number, at: number): Range {
  return [at - (at - start) * factor, at + (stop - at) * factor]
}

/** Moved by a part of its length. */
export function panned([start, stop]: Range, part: number): Range {
  const by = (stop - start) * part
  return [start + by, stop + by]
}

/** The range for which what was under two fingers is under them still; places are parts of it. */
export function pinched([start, stop]: Range, before: Range, now: Range): Range {
  const span = stop - start
  const [one, other] = before.map((part) => start + part * span)
  const apart = now[1] - now[0]
  // Fingers that meet or cross would turn the axis around.
  const wide = (other - one) / (Math.sign(apart) === Math.sign(before[1] - before[0]) ? apart : NaN)
  if (!Number.isFinite(wide)) return [start, stop]
  return [one - now[0] * wide, one + (1 - now[0]) * wide]
}

/** A range as the address has it: whole steps, none below zero, neither nothing nor everything. */
export function settled([start, stop]: Range, axis: Axis): Range {
  const least = SPAN_MIN[axis]
  const middle = start / 2 + stop / 2
  const half = Math.min(SPAN_MAX, Math.max(least, stop - start)) / 2
  let [low, high] = [middle - half, middle + half]
  if (axis !== 'wall' && low < 0) [low, high] = [0, Math.max(high, least)]
  if (axis !== 'step') return [low, high]
  low = Math.floor(low)
  return [low, Math.max(Math.ceil(high), low + 1)]
}

/** Two fingers on a chart. Places are parts of its width. */
export class Pinch {
  private readonly touches = new Map<number, number>()
  private begun: { range: Range; ids: [number, number]; at: Range } | null = null

  /** A finger comes down. Says whether it is the second one: then a pinch begins. */
  down(id: number, at: number, range: Range): boolean {
    this.touches.set(id, at)
    if (this.touches.size !== 2) return false
    const [[one, first], [other, second]] = [...this.touches]
    this.begun = { range, ids: [one, other], at: [first, second] }
    return true
  }

  /** A finger moves. Gives the range that is meant; null: nothing is pinched. */
  move(id: number, at: number): Range | null {
    if (this.touches.has(id)) this.touches.set(id, at)
    if (!this.begun) return null
    const { range, ids, at: before } = this.begun
    return pinched(range, before, [this.touches.get(ids[0])!, this.touches.get(ids[1])!])
  }

  /** A finger is lifted. Says whether that ends a pinch. */
  up(id: number): boolean {
    this.touches.delete(id)
    const ends = this.begun !== null && this.begun.ids.includes(id)
    if (ends) this.begun = null
    return ends
  }
}
