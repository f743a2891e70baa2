/** The binary frame: uint32 length, JSON head, float64 columns. Columns are views, never copies. */

import type { Axis, ChartFrame, Columns, Series } from './types'

const NAMES = [
  'bucket', 'first_x', 'min', 'max', 'mean', 'last', 'count', 'nan', 'pos_inf', 'neg_inf', 'smooth',
] as const

interface HeadSeries extends Omit<Series, 'columns'> {
  offset: number
  columns: string[]
}
interface Head {
  x: Axis
  charts: (Omit<ChartFrame, 'series'> & { series: HeadSeries[] })[]
}

/** A frame that is cut short, or that says something impossible. */
export class BrokenFrame extends Error {}

export function decodeFrame(buffer: ArrayBuffer): ChartFrame[] {
  if (buffer.byteLength < 4) throw new BrokenFrame('the frame has no head')
  const headBytes = new DataView(buffer).getUint32(0, true)
  const dataStart = 4 + headBytes
  if (dataStart > buffer.byteLength || dataStart % 8 !== 0) {
    throw new BrokenFrame('the head of the frame is cut short')
  }
  const text = new TextDecoder().decode(new Uint8Array(buffer, 4, headBytes))
  const head = JSON.parse(text) as Head
  const room = Math.floor((buffer.byteLength - dataStart) / 8)
  return head.charts.map((chart) => ({
    ...chart,
    series: chart.series.map((series) => ({
      ...series,
      restarts: series.restarts ?? [],
      columns: decodeColumns(buffer, dataStart, room, series),
    })),
  }))
}

function decodeColumns(
  buffer: ArrayBuffer, dataStart: number, room: number, series: HeadSeries,
): Columns {
  const { rows = 0, offset = 0, columns: names = [] } = series
  if (rows < 0 || offset < 0 || offset + rows * names.length > room) {
    throw new BrokenFrame(`the columns of ${series.run} are cut short`)
  }
  const found: Partial<Record<string, Float64Array>> = {}
  names.forEach((name, index) => {
    found[name] = new Float64Array(buffer, dataStart + 8 * (offset + index * rows), rows)
  })
  let none: Float64Array | null = null
  const columns: Record<string, Float64Array | null> = {}
  for (const name of NAMES) {
    columns[name] = found[name] ?? (name === 'smooth' ? null : (none ??= new Float64Array(rows)))
  }
  return columns as unknown as Columns
}
