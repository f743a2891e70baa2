/** For tests: frames as the server makes them. */

import { decodeFrame } from './frame'
import type { ChartFrame } from './types'

const COLUMNS = [
  'bucket', 'first_x', 'min', 'max', 'mean', 'last', 'count', 'nan', 'pos_inf', 'neg_inf', 'smooth',
]

export interface MadeSeries {
  run: string
  /** bucket, first_x, min, max, mean, last, count, nan, pos_inf, neg_inf (, smooth) */
  rows: number[][]
  error?: string
}

export interface MadeChart {
  metric: string
  start: number
  stop: number
  width: number
  buckets: number
  series: MadeSeries[]
}

export function frameOf(...charts: MadeChart[]): ArrayBuffer {
  const data: number[] = []
  const head = {
    x: 'step',
    charts: charts.map(({ series, ...chart }) => ({
      ...chart,
      series: series.map(({ run, rows, error = null }) => {
        const names = COLUMNS.slice(0, rows[0]?.length ?? 10)
        const offset = data.length
        names.forEach((_, column) => data.push(...rows.map((row) => row[column])))
        const sum = (column: number) => rows.reduce((all, row) => all + row[column], 0)
        const bad = rows.find((row) => row[7] > 0)
        return {
          run, error, rows: rows.length, offset, columns: names, points: sum(6), in_range: sum(6),
          without_x: 0, widest: Math.max(0, ...rows.map((row) => row[6])), nan: sum(7),
          inf: sum(8) + sum(9), first_inf: null, last_ms: null, restarts: [],
          first_nan: bad ? { x: bad[1], step: bad[1], timestamp_ms: 0 } : null,
        }
      }),
    })),
  }
  let text = JSON.stringify(head)
  while ((4 + new TextEncoder().encode(text).length) % 8) text += ' '
  const bytes = new TextEncoder().encode(text)
  const buffer = new ArrayBuffer(4 + bytes.length + 8 * data.length)
  new DataView(buffer).setUint32(0, bytes.length, true)
  new Uint8Array(buffer, 4).set(bytes)
  new Float64Array(buffer, 4 + bytes.length).set(data)
  return buffer
}

/** One chart of series of (step, value) points, one a bucket. */
export function chartOf(series: Record<string, [x: number, value: number][]>, width = 1): ChartFrame {
  const all = Object.values(series).flat().map(([x]) => x)
  const [start, stop] = [Math.min(0, ...all), Math.max(1, ...all.map((x) => x + width))]
  const rows = (points: [number, number][]) => points.map(([x, value]) => {
    const finite = Number.isFinite(value) ? value : NaN
    return [(x - start) / width, x, finite, finite, finite, value, 1,
      Number(Number.isNaN(value)), Number(value === Infinity), Number(value === -Infinity)]
  })
  return decodeFrame(frameOf({
    metric: 'train/loss', start, stop, width, buckets: (stop - start) / width,
    series: Object.entries(series).map(([run, points]) => ({ run, rows: rows(points) })),
  }))[0]
}
