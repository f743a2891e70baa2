/** The view as the address spells it. Pure: view.svelte.ts holds the one that is looked at. */

import type { Asked, Axis, Smooth } from './types'

export const SORTS = ['name', 'difference', 'change', 'nan', 'spike'] as const
export const SCALES = ['linear', 'log', 'arcsinh', 'robust'] as const
export const AXES = ['step', 'relative', 'wall'] as const
export const SHOWS = ['newest', 'all', 'none'] as const
export const SIZES = ['s', 'm', 'l'] as const
export const PAGES = ['charts', 'table'] as const
export const BANDS = ['range', '95'] as const
export const SEEDS = ['auto', 'fold', 'apart'] as const
export const STATISTICS = ['last', 'min', 'max'] as const
export const SMOOTH_MAX = 0.999

export interface View {
  page: (typeof PAGES)[number]
  /** Name of the experiment, or empty for all. */
  experiment: string
  /** Regular expression for the names of runs. */
  runs: string
  /** Regular expression for the names of metrics. */
  metrics: string
  status: string[]
  /** Which runs are drawn: the newest, all or none that pass the filters, then `on` and `off`. */
  show: (typeof SHOWS)[number]
  on: string[]
  off: string[]
  sort: (typeof SORTS)[number]
  x: Axis
  y: (typeof SCALES)[number]
  smooth: number
  /** Smooth by rolling medians instead of averages. */
  median: boolean
  /** Averages weigh points by their number, and not by their distance along x. */
  per_point: boolean
  /** Zoom on the x axis, half-open, in its units. */
  from: number | null
  to: number | null
  /** Parameter to group by. */
  group: string
  /** Without one: whether runs that differ in nothing but a seed are a group. */
  seeds: (typeof SEEDS)[number]
  /** The band of a group: from the least to the most, or 95 % confidence of the mean. */
  band: (typeof BANDS)[number]
  /** Parameter whose values give runs their colours, where they are not grouped. */
  color: string
  /** Run that the others are compared with. */
  base: string
  /** Sections that are folded. */
  shut: string[]
  pin: string[]
  size: (typeof SIZES)[number]
  /** Metric of the chart that fills the page. */
  chart: string
  /** Run whose details are open. */
  run: string
  /** The bucket whose points are listed: run, metric, start, stop as JSON. */
  points: string
  /** Where the cursor is pinned, and in which chart. */
  at: number | null
  on_chart: string
  /** Table: only columns in which runs differ. */
  differing: boolean
  statistic: (typeof STATISTICS)[number]
  /** Table: what runs are to get to, as target.ts reads it. */
  target: string
  /** Column that the table is sorted by, with a minus where the largest come first. */
  by: string
  /** Only charts, and only runs, with NaN or infinities. */
  nan: boolean
  nan_runs: boolean
}

export const DEFAULTS: Readonly<View> = {
  page: 'charts', experiment: '', runs: '', metrics: '', status: [],
  show: 'newest', on: [], off: [], sort: 'name', x: 'step', y: 'linear', smooth: 0, median: false, per_point: false,
  from: null, to: null, group: '', seeds: 'auto', band: 'range', color: '', base: '', shut: [], pin: [], size: 'm',
  chart: '', run: '', points: '', at: null, on_chart: '', differing: false,
  statistic: 'last', target: '', by: '', nan: false, nan_runs: false,
}

const CHOICES: Partial<Record<keyof View, readonly string[]>> = {
  page: PAGES, show: SHOWS, sort: SORTS, x: AXES, y: SCALES, size: SIZES,
  statistic: STATISTICS, seeds: SEEDS, band: BANDS,
}

/** Read an address that anyone may have edited: what makes no sense is as if it were not there. */
export function parse(search: string): View {
  const given = new URLSearchParams(search)
  const view: Record<string, unknown> = {}
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    const text = given.get(name)
    view[name] = Array.isArray(fallback)
      ? [...new Set(given.getAll(name).filter((each) => each !== ''))]
      : text === null ? fallback : parseOne(name as keyof View, text)
  }
  const parsed = view as unknown as View
  if (parsed.from !== null && parsed.to !== null && parsed.from >= parsed.to) {
    parsed.from = parsed.to = null
  }
  return parsed
}

function parseOne(name: keyof View, text: string): unknown {
  const fallback = DEFAULTS[name]
  if (typeof fallback === 'boolean') return text === '1'
  if (fallback === null) return finite(text)
  if (typeof fallback === 'number') {
    return Math.min(SMOOTH_MAX, Math.max(0, finite(text) ?? fallback))
  }
  const choices = CHOICES[name]
  return choices === undefined || choices.includes(text) ? text : fallback
}

function finite(text: string): number | null {
  const number = text.trim() === '' ? NaN : Number(text)
  return Number.isFinite(number) ? number : null
}

/** Spell a view, leaving out what is as always; equal views give equal addresses. */
export function format(view: View): string {
  const spelled = new URLSearchParams()
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    const value = view[name as keyof View]
    if (Array.isArray(value)) for (const each of value) spelled.append(name, each)
    else if (value !== fallback) spelled.set(name, value === true ? '1' : String(value))
  }
  const text = spelled.toString()
  return text && '?' + text
}

/** The points of a median for which it is as slow as an average of a weight: an odd number. */
export function windowOf(weight: number): number {
  return 2 * Math.round(Math.min(500, 0.5 / (1 - weight))) + 1
}

/** How the server is to smooth. */
export function smoothOf(
  { smooth, median, per_point }: Pick<View, 'smooth' | 'median' | 'per_point'>,
): Smooth | null {
  if (!(smooth > 0)) return null
  if (median) return { kind: 'median', window: windowOf(smooth) }
  return { kind: 'ema', weight: smooth, ...(per_point ? {} : { by: 'x' as const }) }
}

/** What charts are asked for. */
export function askedOf(view: View): Asked {
  const { x, from, to, base } = view
  return { x, start: from, stop: to, smooth: smoothOf(view), robust: view.y === 'robust', base }
}

/** Another x axis: places on the one before mean nothing on it. */
export function onAxis(x: Axis): Partial<View> {
  return { x, from: null, to: null, at: null, on_chart: '', points: '' }
}

export interface Filter {
  test: (text: string) => boolean
  error: string | null
}

const UNFILTERED: Filter = { test: () => true, error: null }

/** A filter as it is typed: a regular expression, or plain text where that is unfinished. */
export function filter(pattern: string): Filter {
  if (pattern === '') return UNFILTERED
  try {
    const expression = new RegExp(pattern, 'iu')
    return { test: (text) => expression.test(text), error: null }
  } catch (error) {
    const plain = pattern.toLowerCase()
    const message = error instanceof Error ? error.message : String(error)
    return { test: (text) => text.toLowerCase().includes(plain), error: message }
  }
}
