/** Numbers, times and ages as people read them. */

import type { Axis, Number64 } from './types'

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** A float64 from JSON, where NaN and the infinities are spelled. */
export function toNumber(value: Number64 | null | undefined): number {
  return value === null || value === undefined ? NaN : Number(value)
}

export function count(value: number): string {
  return Number.isFinite(value) ? GROUPED.format(value) : String(value)
}

export function plural(value: number, one: string, many = one + 's'): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** At most `digits` significant digits; an exponent only where zeros would hide the number. */
export function value(number: number, digits = 5): string {
  if (Number.isNaN(number)) return 'NaN'
  if (!Number.isFinite(number)) return number > 0 ? '+Inf' : '−Inf'
  if (number === 0) return '0'
  const size = Math.abs(number)
  if (size >= 1e7 || size < 1e-4) {
    const [mantissa, exponent] = number.toExponential(digits - 1).split('e')
    const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa
    return minus(`${short}e${Number(exponent)}`)
  }
  if (Number.isInteger(number)) return minus(GROUPED.format(number))
  // Digits before the point are never rounded away.
  if (size >= 1000) {
    const decimals = Math.max(0, digits - String(Math.floor(size)).length)
    return minus(number.toLocaleString('en-US', { maximumFractionDigits: decimals }))
  }
  return minus(String(Number(number.toPrecision(digits))))
}

/** Every bit of the number, as JavaScript round-trips it. */
export function exact(number: number): string {
  return Number.isNaN(number) ? 'NaN' : Number.isFinite(number) ? String(number) : value(number)
}

function minus(text: string): string {
  return text.replace('-', '−')
}

/** "12 s", "4 min", "3 h", "5 d": one unit, rounded down. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** A length of time with two units: "1 h 05 min". */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return String(ms)
  const sign = ms < 0 ? '−' : ''
  const size = Math.abs(ms)
  if (size < 1000) return `${sign}${Math.round(size)} ms`
  const seconds = size / 1000
  if (seconds < 60) return `${sign}${Number(seconds.toFixed(seconds < 10 ? 2 : 1))} s`
  const pad = (part: number) => String(Math.floor(part)).padStart(2, '0')
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`
  if (seconds < 86_400) {
    return `${sign}${Math.floor(seconds / 3600)} h ${pad((seconds % 3600) / 60)} min`
  }
  return `${sign}${Math.floor(seconds / 86_400)} d ${pad((seconds % 86_400) / 3600)} h`
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  year: 'numeric', month: 'short', day: '2-digit',
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
})

export function clock(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? CLOCK.format(ms) : '–'
}

const MOMENT = new Intl.DateTimeFormat(undefined, {
  month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  fractionalSecondDigits: 3, hourCycle: 'h23',
})

/** A clock with milliseconds and without the year. */
export function moment(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? MOMENT.format(ms) : '–'
}

/** A place on the x axis in full. */
export function place(axis: Axis, x: number): string {
  if (axis === 'step') return `step ${count(x)}`
  return axis === 'relative' ? duration(x) : clock(x)
}

/** Spaces that HTML would not show: before, after and beside others; and where there is nothing else. */
function seenSpaces(name: string): string {
  const shown = name.replace(/^ +| +$| {2,}/g, (spaces) => '␣'.repeat(spaces.length))
  return shown.trim() !== '' ? shown
    : shown.replace(/\s/gu, (space) => `⟨${space.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`)
}

/**
 * A name as it is safe to read: control characters and direction marks are made visible, since they
 * could make two names look alike or turn the text around them.
 */
export function visible(name: string): string {
  return seenSpaces(name).replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
    (mark, index: number, whole: string) =>
      // A joiner inside an emoji belongs to it.
      mark === '\u200d' && /\p{Extended_Pictographic}/u.test(whole.slice(index + 1, index + 3))
        ? mark
        : `⟨${mark.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`,
  )
}
