/** The y-axis of a scene: what it spans, and what lies beyond it. */

import { arcsinh, unarcsinh } from './bend'
import type { Line, Outside, Scene } from './scene'
import type { Robust } from './types'

export const NOTHING: Outside = { buckets: 0, points: null, extreme: NaN }

const LIMIT = 8e307
/** Below it float64 has too few digits left for an axis. */
const LEAST = 1e-300
const QUANTILE = 0.01

/** Give a scene its y-axis, and say what lies beyond it. */
export function setRange(scene: Scene, fitted: Robust | null): void {
  const log = scene.scale === 'log'
  const usable = (each: number) => Number.isFinite(each) && (!log || each > 0)
  let low = Infinity
  let high = -Infinity
  for (const line of scene.noise ? [...scene.lines, scene.noise] : scene.lines) {
    for (const values of [line.min, line.max, line.middle]) {
      for (const each of values) {
        if (!usable(each)) continue
        if (each < low) low = each
        if (each > high) high = each
      }
    }
  }
  if (scene.scale === 'robust' && fitted && fitted.low < fitted.high) {
    scene.y = [fitted.low, fitted.high]
    countOutside(scene)
    scene.above = { ...scene.above, points: fitted.above, extreme: fitted.greatest }
    scene.below = { ...scene.below, points: fitted.below, extreme: fitted.least }
    return
  }
  if (scene.scale === 'robust') [low, high] = robust(scene.lines, low, high)
  if (scene.scale === 'arcsinh') {
    scene.threshold = thresholdOf(scene.lines)
    scene.y = arcsinhRange(low, high, scene.threshold)
  } else scene.y = log ? logRange(low, high) : linearRange(low, high)
  countOutside(scene)
}

function linearRange(low: number, high: number): [number, number] {
  if (!(low <= high)) return [0, 1]
  low = Math.max(low, -LIMIT)
  high = Math.min(high, LIMIT)
  // Half of the size, so that one value stands in the middle; a span below what float64 tells apart
  // would have no ticks.
  const size = Math.max(Math.abs(low), Math.abs(high))
  if (high - low <= Math.max(size * 1e-12, LEAST)) {
    const pad = size === 0 ? 1 : Math.max(size * 0.5, LEAST)
    return [low - pad, high + pad]
  }
  const pad = (high - low) * 0.05
  return [Math.max(low - pad, -LIMIT), Math.min(high + pad, LIMIT)]
}

/** A power of ten that half of the values are beyond: it stays the same while a run goes on. */
function thresholdOf(lines: Line[]): number {
  const sizes: number[] = []
  for (const line of lines) {
    for (const each of line.middle) if (Number.isFinite(each) && each !== 0) sizes.push(Math.abs(each))
  }
  if (!sizes.length) return 1
  const middle = Float64Array.from(sizes).sort()[sizes.length >> 1]
  return Math.max(10 ** Math.floor(Math.log10(middle)), LEAST)
}

function arcsinhRange(low: number, high: number, threshold: number): [number, number] {
  const [from, to] = linearRange(low, high)
  if (!(low < high)) return [from, to]
  const [a, b] = [low, high].map((each) => arcsinh(Math.min(LIMIT, Math.max(-LIMIT, each)), threshold))
  const pad = (b - a) * 0.05
  // Beyond the linear range there is nothing either.
  const back = (each: number) => Math.min(LIMIT, Math.max(-LIMIT, unarcsinh(each, threshold)))
  return b > a ? [back(a - pad), back(b + pad)] : [from, to]
}

/** Over all that float64 has, if need be: 632 decades. */
function logRange(low: number, high: number): [number, number] {
  if (!(low <= high)) return [0.1, 1]
  const [from, to] = [Math.log10(low), Math.log10(high)]
  const pad = Math.max((to - from) * 0.05, 0.02)
  const least = Math.max(Number.MIN_VALUE, 10 ** (from - pad))
  const greatest = Math.min(Number.MAX_VALUE, 10 ** (to + pad))
  // The least number there is has none below it.
  return [least, greatest > least ? greatest : 4 * least]
}

/**
 * From the 1 % quantile of the buckets' minima to the 99 % quantile of their maxima: where the
 * server cannot fit the points, since differences are drawn.
 */
function robust(lines: Line[], low: number, high: number): [number, number] {
  const lows: number[] = []
  const highs: number[] = []
  for (const line of lines) {
    for (const each of line.min) if (Number.isFinite(each)) lows.push(each)
    for (const each of line.max) if (Number.isFinite(each)) highs.push(each)
  }
  if (lows.length < 20) return [low, high]
  const at = (sorted: Float64Array, part: number) => sorted[Math.round(part * (sorted.length - 1))]
  const from = at(Float64Array.from(lows).sort(), QUANTILE)
  const to = at(Float64Array.from(highs).sort(), 1 - QUANTILE)
  return from < to ? [from, to] : [low, high]
}

function countOutside(scene: Scene): void {
  const [low, high] = scene.y
  scene.above = { buckets: 0, points: null, extreme: -Infinity }
  scene.below = { buckets: 0, points: null, extreme: Infinity }
  for (const line of scene.lines) {
    for (let row = 0; row < line.x.length; row += 1) {
      if (line.max[row] > high) {
        scene.above.buckets += 1
        scene.above.extreme = Math.max(scene.above.extreme, line.max[row])
      }
      if (line.min[row] < low) {
        scene.below.buckets += 1
        scene.below.extreme = Math.min(scene.below.extreme, line.min[row])
      }
    }
  }
}
