/** From a frame to what is drawn: lines, ranges, marks and the sentence below the chart. */

import { count, duration, plural, value, visible } from './format'
import type { Axis, ChartFrame, PlacedNote, Series, Smooth } from './types'
import { bandText, grouped, noiseOf, noiseText } from './groups'
import { heardMarks, marksOf, type Mark } from './notes'
import { NOTHING, setRange } from './yaxis'
import type { View } from './view'

export type Band = View['band']

export interface Line {
  /** Run, or value of the parameter that is grouped by. */
  id: string
  label: string
  slot: number
  /** One entry per bucket that has points. */
  x: Float64Array
  /** What the line shows: the mean, or the smoothed value, or the difference from the baseline. */
  middle: Float64Array
  /** The mean where `middle` is smoothed. */
  raw: Float64Array | null
  min: Float64Array
  max: Float64Array
  count: Float64Array
  bucket: Float64Array
  /** What is no number, of the bucket. Null where there is none at all. */
  bad: { nan: Float64Array; above: Float64Array; below: Float64Array } | null
  firstBad: Bad | null
  /** Whether any bucket has more than one value: else the envelope is the line. */
  wide: boolean
  restarts: number[]
  series: Series | null
  /** The runs of a group, and how many of them each row is the mean of. */
  members: Line[]
  used: Float64Array | null
  faint: boolean
}

/** Where the first value that is no number stands. */
export interface Bad {
  kind: 'NaN' | 'Inf'
  /** It lies above all numbers: +Inf. */
  up: boolean
  x: number
  step: number | null
}

/** What lies beyond one end of the y-axis. */
export interface Outside {
  buckets: number
  /** How many points, exactly; null where only buckets are known. */
  points: number | null
  extreme: number
}

export interface Scene {
  metric: string
  axis: Axis
  /** How the lines were smoothed. */
  smooth: Smooth | null
  /** Of an average by x, in its units. */
  halfLife: number | null
  start: number
  stop: number
  width: number
  lines: Line[]
  x: [number, number]
  y: [number, number]
  scale: View['y']
  /** Arcsinh: where it goes from linear to logarithmic. */
  threshold: number
  above: Outside
  below: Outside
  points: number
  inRange: number
  widest: number
  withoutX: number
  firstBad: (Bad & { run: string; label: string }) | null
  bad: number
  errors: { run: string; message: string }[]
  difference: boolean
  /** What the bands of groups are; null where runs are drawn. */
  band: Band | null
  /** Differences: how far the runs of the baseline's own group are apart. */
  noise: Line | null
  notes: Mark[]
}

export interface SceneOptions {
  axis: Axis
  scale: Scene['scale']
  from: number | null
  to: number | null
  base: string
  /** The name of the group that a run is in, or null to draw runs. */
  groupOf: ((run: string) => string) | null
  band: Band
  /** All groups, in the order of their colours. */
  groups: string[]
  labelOf: (run: string) => string
  slotOf: (run: string) => number
  notesOf: (run: string) => PlacedNote[]
  /** Runs to draw; the baseline may be fetched without being drawn. */
  drawn: (run: string) => boolean
}

export function build(frame: ChartFrame, options: SceneOptions): Scene {
  // A run without this metric has no line, and no entry in any list.
  const all = frame.series
    .filter((series) => !series.error && series.points > 0)
    .map((series) => toLine(frame, series, options))
  const base = all.find((line) => line.id === options.base) ?? null
  const shown = frame.series.filter((series) => options.drawn(series.run))
  let lines = all.filter((line) => options.drawn(line.id))
  const difference = options.base !== '' && base !== null
  if (base) lines = lines.map((line) => subtract(line, base))
  const noise = base && options.groupOf ? noiseOf(lines, options) : null
  if (options.groupOf) lines = grouped(lines, options)
  const sum = (pick: (series: Series) => number) => shown.reduce((all, s) => all + pick(s), 0)
  const scene: Scene = {
    metric: frame.metric,
    axis: options.axis,
    smooth: frame.asked?.smooth ?? null,
    halfLife: frame.half_life ?? null,
    start: frame.start, stop: frame.stop, width: frame.width,
    lines,
    x: xRange(frame, lines, options),
    y: [0, 1],
    scale: options.scale === 'log' && difference ? 'linear' : options.scale,
    threshold: 1,
    above: NOTHING, below: NOTHING,
    points: sum((series) => series.points),
    inRange: sum((series) => series.in_range),
    widest: shown.reduce((most, series) => Math.max(most, series.widest), 0),
    withoutX: sum((series) => series.without_x),
    bad: sum((series) => series.nan + series.inf),
    firstBad: firstOf(frame, shown, options),
    errors: shown.flatMap((s) => (s.error ? [{ run: s.run, message: s.error }] : [])),
    difference,
    band: options.groupOf ? options.band : null,
    noise,
    notes: marksOf(lines, frame.metric, options.notesOf, options.labelOf),
  }
  setRange(scene, difference ? null : frame.robust ?? null)
  return scene
}

function toLine(frame: ChartFrame, series: Series, options: SceneOptions): Line {
  const { columns, rows } = series
  const x = new Float64Array(rows)
  const middleOf = options.axis === 'step' ? (frame.width - 1) / 2 : frame.width / 2
  let wide = false
  let bad = false
  for (let row = 0; row < rows; row += 1) {
    const single = columns.count[row] === 1
    x[row] = single ? columns.first_x[row] : frame.start + columns.bucket[row] * frame.width + middleOf
    if (columns.min[row] !== columns.max[row] && !Number.isNaN(columns.min[row])) wide = true
    if (columns.nan[row] || columns.pos_inf[row] || columns.neg_inf[row]) bad = true
  }
  return {
    id: series.run,
    label: options.labelOf(series.run),
    slot: options.slotOf(series.run),
    x,
    // The average goes on where there is no number: the line does not.
    middle: columns.smooth
      ? columns.smooth.map((each, row) => (Number.isNaN(columns.mean[row]) ? NaN : each))
      : columns.mean,
    raw: columns.smooth ? columns.mean : null,
    min: columns.min, max: columns.max, count: columns.count, bucket: columns.bucket,
    bad: bad ? { nan: columns.nan, above: columns.pos_inf, below: columns.neg_inf } : null,
    firstBad: firstBad(frame, series),
    wide,
    restarts: series.restarts,
    series,
    members: [],
    used: null,
    faint: false,
  }
}

/** The value of a line between its points; NaN outside of them. */
export function interpolate(line: Line, values: Float64Array, x: number): number {
  const at = atOrBefore(line.x, x)
  if (at < 0) return NaN
  if (line.x[at] === x || Number.isNaN(values[at])) return values[at]
  if (at + 1 >= line.x.length) return NaN
  const part = (x - line.x[at]) / (line.x[at + 1] - line.x[at])
  return values[at] + part * (values[at + 1] - values[at])
}

/** Index of the last entry at or before `x`, -1 before the first. */
export function atOrBefore(sorted: Float64Array, x: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] <= x) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Index of the entry nearest to `x`, -1 where there is none. */
export function nearest(sorted: Float64Array, x: number): number {
  const at = atOrBefore(sorted, x)
  if (at + 1 >= sorted.length) return at
  if (at < 0) return sorted.length ? 0 : -1
  return x - sorted[at] <= sorted[at + 1] - x ? at : at + 1
}

function subtract(line: Line, base: Line): Line {
  const offsets = Float64Array.from(line.x, (x) => interpolate(base, base.middle, x))
  const minus = (values: Float64Array) => values.map((each, row) => each - offsets[row])
  return {
    ...line,
    middle: minus(line.middle),
    raw: line.raw && minus(line.raw),
    min: minus(line.min), max: minus(line.max),
  }
}

/** The first NaN or infinity of a series. */
function firstBad(frame: ChartFrame, { first_nan: nan, first_inf: inf, columns }: Series): Bad | null {
  if (nan && (!inf || nan.x <= inf.x)) return { kind: 'NaN', up: false, x: nan.x, step: nan.step }
  if (!inf) return null
  const row = atOrBefore(columns.bucket, Math.floor((inf.x - frame.start) / frame.width))
  return { kind: 'Inf', up: columns.pos_inf[row] > 0, x: inf.x, step: inf.step }
}

function firstOf(frame: ChartFrame, shown: Series[], options: SceneOptions): Scene['firstBad'] {
  let first: Scene['firstBad'] = null
  for (const series of shown) {
    const bad = firstBad(frame, series)
    if (bad && (!first || bad.x < first.x)) {
      first = { ...bad, run: series.run, label: options.labelOf(series.run) }
    }
  }
  return first
}

function xRange(frame: ChartFrame, lines: Line[], options: SceneOptions): [number, number] {
  let low = Infinity
  let high = -Infinity
  for (const line of lines) {
    if (!line.x.length) continue
    const last = frame.start + (line.bucket[line.bucket.length - 1] + 1) * frame.width
    for (const each of line.members.length ? line.members : [line]) {
      low = Math.min(low, each.series?.columns.first_x[0] ?? line.x[0])
    }
    high = Math.max(high, Math.min(last, frame.stop) - (options.axis === 'step' ? 1 : 0))
  }
  if (!(low <= high)) [low, high] = [frame.start, frame.stop]
  low = options.from ?? low
  high = options.to ?? high
  if (low === high) {
    const pad = options.axis === 'step' ? 1 : 1000
    return [low - pad, high + pad]
  }
  return low < high ? [low, high] : [0, 1]
}

/** The line below each chart: that all points are in it. */
export function completeness(scene: Scene): string {
  if (scene.points === 0) return 'no points'
  const parts = [`${count(scene.inRange)} of ${plural(scene.points, 'point')}`]
  if (scene.widest > 1) parts.push(`widest bucket ${count(scene.widest)}`)
  if (scene.withoutX) parts.push(`${count(scene.withoutX)} without a step`)
  return parts.join('; ')
}

/** How the lines were smoothed, in words; empty: not at all. */
export function smoothText({ smooth, halfLife, axis }: Pick<Scene, 'smooth' | 'halfLife' | 'axis'>): string {
  if (!smooth) return ''
  if (smooth.kind === 'median') return `median of ${plural(smooth.window, 'point')}`
  if (halfLife === null) return `EMA, weight ${smooth.weight} a point`
  return `EMA, half-life ${axis === 'step' ? `${value(halfLife, 3)} steps` : duration(halfLife)}`
}

/** One sentence for those who hear the chart. */
export function spoken(scene: Scene): string {
  const name = visible(scene.metric)
  if (scene.points === 0) return `${name}: no points.`
  const lines = scene.lines.filter((line) => line.x.length)
  const ends = lines.map((line) => ({ line, last: lastFinite(line) })).filter((e) => e.last !== null)
  ends.sort((one, other) => one.last! - other.last!)
  const what = scene.band ? `${plural(lines.length, 'group')} of runs` : plural(lines.length, 'line')
  const parts = [`${name}: ${what}, ${completeness(scene)}.`]
  if (scene.smooth) parts.push(`Smoothed: ${smoothText(scene)}.`)
  if (scene.band) parts.push(`${bandText(scene.band)}.`)
  if (scene.noise) parts.push(`${noiseText(scene.noise)}.`)
  if (ends.length) {
    const [least, most] = [ends[0], ends[ends.length - 1]]
    parts.push(`Lowest at the end: ${visible(least.line.label)} with ${value(least.last!)}.`)
    if (ends.length > 1) {
      parts.push(`Highest at the end: ${visible(most.line.label)} with ${value(most.last!)}.`)
    }
  }
  if (scene.notes.length) parts.push(`${heardMarks(scene.notes)}.`)
  if (scene.firstBad) parts.push(`${badPlace(scene.firstBad)}.`)
  if (beyond(scene.above)) parts.push(`Above the axis: ${outside(scene.above, 'up')}.`)
  if (beyond(scene.below)) parts.push(`Below the axis: ${outside(scene.below, 'down')}.`)
  return parts.join(' ')
}

export function badPlace(first: Bad): string {
  const where = first.step === null ? '' : ` at step ${count(first.step)}`
  return `first ${first.kind}${where}`
}

/** How many points, or buckets, lie beyond one end of the axis. */
export const beyond = (what: Outside) => what.points ?? what.buckets

/** What lies beyond one end of the axis, in words. */
export function outside(what: Outside, way: 'up' | 'down'): string {
  const many = plural(beyond(what), what.points === null ? 'bucket' : 'point')
  return `${many}, ${way} to ${value(what.extreme, 3)}`
}

export function lastFinite(line: Line): number | null {
  for (let row = line.middle.length - 1; row >= 0; row -= 1) {
    if (Number.isFinite(line.middle[row])) return line.middle[row]
  }
  return null
}
