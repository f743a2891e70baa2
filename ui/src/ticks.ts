/** Where an axis has its ticks. Our own, since uPlot's do not end for 1e-300..1e300. */

import { arcsinh } from './bend'

const STEPS = [1, 2, 5, 10]
const DECADES = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200]
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const TIMES = [
  1, 2, 5, 10, 20, 50, 100, 200, 500,
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY,
]

/** Round numbers inside [min, max], about `wanted` of them. */
export function linearTicks(min: number, max: number, wanted: number): number[] {
  const span = max / 2 - min / 2
  if (!(span > 0) || !Number.isFinite(span)) return Number.isFinite(min) ? [min] : []
  const rough = (span / Math.max(1, wanted)) * 2
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = (STEPS.find((each) => each * power >= rough * 0.999) ?? 10) * power
  return multiples(min, max, step)
}

function multiples(min: number, max: number, step: number): number[] {
  const ticks: number[] = []
  const first = Math.ceil(min / step - 1e-9)
  for (let index = 0; index < 100; index += 1) {
    const exact = (first + index) * step
    if (!(exact <= max + step * 1e-9)) break
    // 0.1 * 3 is 0.30000000000000004 and looks like a bug; whole numbers have all of their digits.
    const tick = Number.isInteger(step) ? exact : Number(exact.toPrecision(15))
    if (tick !== ticks[ticks.length - 1]) ticks.push(tick)
  }
  return ticks
}

/** Powers of ten, thinned where there are many; round numbers where there are none. */
export function logTicks(min: number, max: number, wanted: number): number[] {
  const low = Math.log10(min)
  const high = Math.log10(max)
  const decades = Math.floor(high) - Math.ceil(low)
  if (decades < 1) return linearTicks(min, max, wanted).filter((tick) => tick > 0)
  const least = (decades / Math.max(1, wanted)) * 0.75
  const every = DECADES.find((each) => each >= least) ?? 200
  const ticks: number[] = []
  const factors = decades <= wanted / 3 ? [1, 2, 5] : [1]
  for (let power = Math.floor(low); power <= high; power += 1) {
    if (power % every !== 0) continue
    for (const factor of factors) {
      const tick = Number(`${factor}e${power}`)
      if (tick >= min && tick <= max) ticks.push(tick)
    }
  }
  return ticks
}

/** Zero and powers of ten on both sides of it, as far apart as an axis in arcsinh has room for. */
export function arcsinhTicks(min: number, max: number, threshold: number, wanted: number): number[] {
  const place = (y: number) => arcsinh(y, threshold)
  const room = (place(max) - place(min)) / Math.max(1, wanted)
  // Where nothing is bent, and where it is bent the same everywhere.
  const straight = Math.max(Math.abs(min), Math.abs(max)) <= 3 * threshold
  if (straight || !(room > 0)) return linearTicks(min, max, wanted)
  const ticks = min <= 0 && max >= 0 ? [0] : []
  for (const sign of [1, -1]) {
    let last = place(0)
    const far = sign > 0 ? max : -min
    for (let power = Math.ceil(Math.log10(threshold)); power <= Math.log10(far); power += 1) {
      const tick = sign * Number(`1e${power}`)
      if (tick < min || tick > max || Math.abs(place(tick) - last) < room * 0.8) continue
      last = place(tick)
      ticks.push(tick)
    }
  }
  return ticks.length > 1 ? ticks.sort((a, b) => a - b) : linearTicks(min, max, wanted)
}

export function timeTicks(min: number, max: number, wanted: number, wall: boolean): number[] {
  const rough = (max - min) / Math.max(1, wanted)
  if (!(rough > 0)) return [min]
  if (rough < 1) return linearTicks(min, max, wanted)
  const step = TIMES.find((each) => each >= rough)
  if (step === undefined) return linearTicks(min, max, wanted)
  if (!wall) return multiples(min, max, step)
  // Whole hours and days of the reader's own clock.
  const shift = new Date(min).getTimezoneOffset() * MINUTE
  return multiples(min - shift, max - shift, step).map((tick) => tick + shift)
}
