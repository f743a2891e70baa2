/** What stands beside an axis' ticks: labels that differ wherever ticks do, all of one kind. */

import { count, value } from './format'
import type { Axis } from './types'

export interface Labels {
  texts: string[]
  /** What all labels are to be added to, where it would make each too long; stated at the axis. */
  offset: string
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const UNITS = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']] as const
/** Labels with more digits than that are given as what comes on top of an offset. */
const DIGITS_MAX = 10
/** Digits that a float64 has for certain. */
const DIGITS_SURE = 15

export function labelsOf(axis: Axis | 'value', ticks: number[]): Labels {
  if (axis === 'value') return valueLabels(ticks)
  const texts = axis === 'wall' ? wallLabels(ticks)
    : axis === 'relative' ? relativeLabels(ticks) : stepLabels(ticks)
  return { texts: distinct(ticks, texts), offset: '' }
}

const most = (ticks: number[]) => ticks.reduce((size, tick) => Math.max(size, Math.abs(tick)), 0)

/** The least distance of ticks; of one tick alone, its size. */
function distance(ticks: number[]): number {
  let least = Infinity
  for (let at = 1; at < ticks.length; at += 1) least = Math.min(least, ticks[at] - ticks[at - 1])
  return least > 0 && Number.isFinite(least) ? least : most(ticks) || 1
}

/** How many decimals show a step of 1, 2 or 5 times a power of ten. */
const decimals = (step: number) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9))

const minus = (text: string) => text.replace(/-/g, '−')
const plain = (number: number, digits: number) =>
  minus(number.toLocaleString('en-US', { maximumFractionDigits: Math.min(20, digits) })).replace(/^−0$/, '0')

function exponential(number: number, digits: number): string {
  if (number === 0) return '0'
  const [mantissa, exponent] = number.toExponential(Math.max(0, Math.min(20, digits))).split('e')
  const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa
  return minus(`${short}e${Number(exponent)}`)
}

function valueLabels(ticks: number[]): Labels {
  const size = most(ticks)
  const mean = (ticks[ticks.length - 1] / 2 - ticks[0] / 2) / (ticks.length - 1) * 2
  // Ticks are even but for what float64 cannot tell apart.
  const near = mean * 0.01 + size * 2 * Number.EPSILON
  const even = ticks.every((tick, at) => at === 0 || Math.abs(tick - ticks[at - 1] - mean) <= near)
  const step = Number(mean.toPrecision(2))
  if (ticks.length < 2 || !even) {
    return { texts: distinct(ticks, ticks.map((tick) => value(tick, 6))), offset: '' }
  }
  const digits = Math.floor(Math.log10(size) + 1e-9) - Math.floor(Math.log10(step) + 1e-9) + 1
  if (digits > DIGITS_MAX) return offsetLabels(ticks, step)
  const texts = size < 1e-4 || (size >= 1e7 && digits <= 4) || size >= 1e15
    ? ticks.map((tick) => exponential(tick, digits - 1 - leading(size, tick)))
    : ticks.map((tick) => plain(tick, decimals(step)))
  return { texts: distinct(ticks, texts), offset: '' }
}

/** By how many powers of ten a tick is smaller than the largest: so many digits fewer it needs. */
const leading = (size: number, tick: number) =>
  tick === 0 ? 0 : Math.floor(Math.log10(size) + 1e-9) - Math.floor(Math.log10(Math.abs(tick)) + 1e-9)

function offsetLabels(ticks: number[], step: number): Labels {
  const span = ticks[ticks.length - 1] - ticks[0]
  const round = 10 ** Math.ceil(Math.log10(span) + 1e-9)
  // Towards zero, so that labels of both signs count away from it.
  const offset = Math.trunc(ticks[ticks[0] < 0 ? ticks.length - 1 : 0] / round) * round
  const over = ticks.map((tick) => tick - offset)
  const { texts } = valueLabels(over.map((tick) => (Number.isInteger(tick) ? tick : Math.round(tick / step) * step)))
  const sure = Math.min(DIGITS_SURE, Math.ceil(Math.log10(Math.abs(offset) / round)) + 1)
  const named = [exponential(offset, sure), plain(offset, decimals(round))]
  return { texts: distinct(ticks, texts), offset: `${named.sort((a, b) => a.length - b.length)[0]} +` }
}

/** As many digits as it takes, should two labels be the same though their ticks are not. */
function distinct(ticks: number[], texts: string[]): string[] {
  const apart = (labels: string[]) => new Set(labels).size === new Set(ticks).size
  if (apart(texts)) return texts
  for (let digits = 7; digits < 17; digits += 1) {
    const longer = ticks.map((tick) => exponential(tick, digits))
    if (apart(longer)) return longer
  }
  return ticks.map((tick) => minus(String(tick)))
}

function stepLabels(ticks: number[]): string[] {
  const size = most(ticks)
  const step = distance(ticks)
  if (size >= 1e15) return valueLabels(ticks).texts
  const unit = UNITS.find(([each]) => size >= each)
  const short = unit && decimals(step / unit[0]) <= 1 && (unit[0] > 1e3 || size >= 1e4 || step >= 500)
  if (!short) return ticks.map((tick) => (size < 1e4 ? String(tick) : count(tick)))
  return ticks.map((tick) => (tick === 0 ? '0' : `${Number((tick / unit[0]).toFixed(1))}${unit[1]}`))
}

function relativeLabels(ticks: number[]): string[] {
  const largest = most(ticks)
  const step = distance(ticks)
  const [unit, name] = largest >= 2 * DAY ? [DAY, 'd'] : largest >= 2 * HOUR ? [HOUR, 'h']
    : largest >= 2 * MINUTE ? [MINUTE, 'min'] : largest >= SECOND ? [SECOND, 's'] : [1, 'ms']
  const tenths = (step / (unit as number)) * 10
  if (Math.abs(tenths - Math.round(tenths)) < 1e-9 || unit === 1) {
    const digits = unit === 1 ? decimals(step) : 1
    return ticks.map((tick) => (tick === 0 ? '0' : `${plain(tick / (unit as number), digits)} ${name}`))
  }
  return ticks.map((tick) => {
    const days = Math.floor(Math.abs(tick) / DAY)
    return (tick < 0 ? '−' : '') + (days ? `${days} d ` : '') + clockOf(Math.abs(tick) - days * DAY, step)
  })
}

/** The time of a day, as fine as a step asks for. */
function clockOf(ms: number, step: number): string {
  const pad = (part: number) => String(Math.floor(part)).padStart(2, '0')
  const digits = decimals(step / SECOND)
  // In whole units of the last digit, since 59.9999 is no 60.
  const unit = SECOND / 10 ** digits
  const whole = Math.round(ms / unit) * unit
  const minutes = `${pad(whole / HOUR)}:${pad((whole % HOUR) / MINUTE)}`
  if (step >= MINUTE && whole % MINUTE === 0) return minutes
  const seconds = ((whole % MINUTE) / SECOND).toFixed(digits)
  return `${minutes}:${digits ? seconds.padStart(3 + digits, '0') : seconds.padStart(2, '0')}`
}

const DAYS = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' })

/** Time of day with the date once, in a second line; days with the year once. */
function wallLabels(ticks: number[]): string[] {
  const step = ticks.length > 1 ? distance(ticks) : SECOND
  let before = ''
  return ticks.map((tick) => {
    if (Math.abs(tick) > 8.6e15) return value(tick, 3)
    const at = new Date(tick)
    const day = DAYS.format(at)
    const midnight = new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()
    const text = step >= DAY ? day : clockOf(tick - midnight, step)
    const under = step >= DAY ? String(at.getFullYear()) : day
    const label = under === before ? text : `${text}\n${under}`
    before = under
    return label
  })
}
