/** Runs drawn as groups: means, bands, and the noise between the runs of a group. */

import { plural } from './format'
import { interpolate, nearest, type Band, type Line, type SceneOptions } from './scene'

/** Two-sided 95 % quantiles of Student's t for 1, 2, … 30 degrees of freedom. */
const STUDENT = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788,
  2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639,
  2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
]

export function student95(freedom: number): number {
  // The first terms of its expansion around the normal quantile: right to four digits from here on.
  return STUDENT[freedom - 1] ?? 1.95996 + 2.37227 / freedom + 2.8225 / freedom ** 2
}

/** One line a group: the mean of its runs, and a band. */
export function grouped(lines: Line[], options: SceneOptions): Line[] {
  const groups = new Map<string, Line[]>()
  for (const line of lines) {
    const name = options.groupOf!(line.id)
    groups.set(name, [...(groups.get(name) ?? []), line])
  }
  const names = options.groups.filter((name) => groups.has(name))
  return names.map((name) => {
    const members = groups.get(name)!
    const slot = options.groups.indexOf(name)
    return { ...meanLine(members, options.band), id: name, label: name, slot, members }
  })
}

/** The curves of the baseline's group, from the least to the most: what a seed alone does. */
export function noiseOf(lines: Line[], options: SceneOptions): Line | null {
  const group = options.groupOf!(options.base)
  const members = lines.filter((line) => options.groupOf!(line.id) === group)
  return members.length > 1 ? { ...meanLine(members, 'curves'), members } : null
}

/**
 * The mean of lines at every bucket that any of them has. The band: `range`, from the least to the
 * greatest value of any; `curves`, from the lowest to the highest line; `95`, where the mean of all
 * such runs lies with 95 % confidence (Student's t over the lines; none where there is only one).
 */
function meanLine(members: Line[], band: Band | 'curves'): Line {
  const xs = new Map<number, number>()
  for (const line of members) {
    line.bucket.forEach((bucket, row) => {
      if (!xs.has(bucket)) xs.set(bucket, line.x[row])
    })
  }
  const buckets = Float64Array.from(xs.keys()).sort()
  const x = buckets.map((bucket) => xs.get(bucket)!)
  const [middle, min, max, counts, used] = [0, 0, 0, 0, 0].map(() => new Float64Array(x.length))
  buckets.forEach((bucket, row) => {
    const values: number[] = []
    let [low, high] = [Infinity, -Infinity]
    for (const line of members) {
      const at = nearest(line.x, x[row])
      if (line.bucket[at] === bucket) counts[row] += line.count[at]
      const value = interpolate(line, line.middle, x[row])
      if (Number.isNaN(value)) continue
      values.push(value)
      low = Math.min(low, band === 'range' ? interpolate(line, line.min, x[row]) : value)
      high = Math.max(high, band === 'range' ? interpolate(line, line.max, x[row]) : value)
    }
    used[row] = values.length
    // Shares, since sums of the greatest numbers are none.
    const mean = values.length ? values.reduce((sum, each) => sum + each / values.length, 0) : NaN
    middle[row] = mean
    const away = band === '95' ? confidence(values, mean) : NaN
    min[row] = band === '95' ? mean - away : values.length ? low : NaN
    max[row] = band === '95' ? mean + away : values.length ? high : NaN
  })
  const bad = members.map((line) => line.firstBad).filter((each) => each !== null)
  bad.sort((one, other) => one.x - other.x)
  return {
    ...members[0], x, middle, min, max, raw: null, count: counts, bucket: buckets,
    bad: badOf(members, buckets),
    firstBad: bad[0] ?? null, wide: true, restarts: [], series: null, used,
  }
}

/** What is no number of any member, at the buckets of the group. */
function badOf(members: Line[], buckets: Float64Array): Line['bad'] {
  if (members.every((line) => line.bad === null)) return null
  const rows = new Map(Array.from(buckets, (bucket, row) => [bucket, row]))
  const all = { nan: new Float64Array(buckets.length), above: new Float64Array(buckets.length), below: new Float64Array(buckets.length) }
  for (const { bad, bucket } of members) {
    if (!bad) continue
    bucket.forEach((each, at) => {
      const row = rows.get(each)!
      all.nan[row] += bad.nan[at]
      all.above[row] += bad.above[at]
      all.below[row] += bad.below[at]
    })
  }
  return all
}

/** How far the mean may be from that of all such values. Of one value nothing is known: no band. */
function confidence(values: number[], mean: number): number {
  const freedom = values.length - 1
  if (freedom < 1) return 0
  const squares = values.reduce((sum, each) => sum + (each - mean) ** 2 / freedom, 0)
  return student95(freedom) * Math.sqrt(squares / values.length)
}

export function bandText(band: Band): string {
  return band === '95' ? 'Bands: 95 % confidence of the mean' : 'Bands: from the least to the most'
}

export function noiseText(noise: Line): string {
  return `Grey band: the ${plural(noise.members.length, 'run')} of the baseline’s group`
}
