/**
 * A view that was saved as one file. It answers in the server's place, out of the data in the page,
 * and knows what it has not.
 */

import { decodeFrame } from './frame'
import { own } from './own'
import type {
  ChartFrame, Experiment, FrameRequest, MetricName, MetricRank, PlacedNote, Run, Session, SummaryColumns,
} from './types'

export const SAVED_ID = 'saved-view'

export interface Saved {
  /** Another form has another number. */
  form: 1
  saved_ms: number
  view: string
  session: Session
  runs: Run[]
  experiments: Experiment[]
  metrics: MetricName[]
  /** By what metrics are ranked, and how. */
  rank_by: string
  ranks: MetricRank[]
  notes: Record<string, PlacedNote[]>
  /** Of the runs in their order. */
  summaries: Record<string, SummaryColumns>
  request: Omit<FrameRequest, 'charts'>
  /** Binary frames, compressed by gzip, in base64. */
  frames: string[]
}

class SavedView {
  data: Saved | null = null
  private readonly charts = new Map<string, ChartFrame>()

  /** Read the page's own data, if it has any. */
  async load(): Promise<void> {
    const text = document.getElementById(SAVED_ID)?.textContent
    if (!text) return
    const data = JSON.parse(text) as Saved
    if (data.form !== 1) throw new Error('This file was saved by another version.')
    for (const packed of data.frames) {
      for (const chart of decodeFrame(await unpacked(packed))) this.charts.set(chart.metric, chart)
    }
    this.data = data
  }

  /** Charts as they were saved: finer buckets are not there. */
  frames(request: FrameRequest): ChartFrame[] {
    const { x, smooth } = this.data!.request
    if (x !== request.x || JSON.stringify(smooth) !== JSON.stringify(request.smooth)) {
      throw new Error('A saved view has the x axis and the smoothing that it was saved with.')
    }
    return request.charts.map(({ metric }) => this.charts.get(metric)
      ?? { metric, start: 0, stop: 1, width: 1, buckets: 1, series: [] })
  }

  /** What the server would answer; null: that was not saved. */
  answer(path: string, body: unknown): unknown {
    const data = this.data!
    const asked = (body ?? {}) as { runs?: string[]; metrics?: string[] | null; by?: string }
    const { runs = [], metrics, by } = asked
    switch (path.split('?')[0]) {
      case 'session': return data.session
      case 'runs': return { runs: data.runs, next: null }
      case 'experiments': return { experiments: data.experiments, next: null }
      case 'metrics': return { metrics: data.metrics }
      case 'metrics:rank': return by === data.rank_by ? { metrics: data.ranks } : null
      case 'runs:notes': return { notes: data.notes }
      case 'runs:summaries': return { columns: this.columns(runs, metrics ?? []) }
      default: return null
    }
  }

  private columns(runs: string[], metrics: string[]): Record<string, SummaryColumns> {
    const place = new Map(this.data!.runs.map((run, index) => [run.name, index]))
    const chosen = <T>(column: (T | null)[] | undefined) =>
      runs.map((name) => column?.[place.get(name) ?? -1] ?? null)
    return Object.fromEntries(metrics.map((metric) => {
      const all = own(this.data!.summaries, metric)
      return [metric, {
        last: chosen(all?.last), min: chosen(all?.min), max: chosen(all?.max), count: chosen(all?.count),
      }]
    }))
  }
}

export const saved = new SavedView()

/** Bytes as text: compressed, in base64. */
export async function packed(buffer: ArrayBuffer): Promise<string> {
  const stream = new Blob([buffer]).stream().pipeThrough(new CompressionStream('gzip'))
  return base64(await new Response(stream).arrayBuffer())
}

export async function unpacked(text: string): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0))
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
  return new Response(stream).arrayBuffer()
}

export function base64(buffer: ArrayBuffer): string {
  const bytes = new Uint8Array(buffer)
  const parts: string[] = []
  for (let start = 0; start < bytes.length; start += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(start, start + 0x8000)))
  }
  return btoa(parts.join(''))
}

/** Data inside a page: no name in it can end the element that it is in. */
export function embedded(data: unknown): string {
  return JSON.stringify(data).replace(/</g, '\\u003c')
}

/** Code inside a page: what ends an element or begins a comment there is written otherwise. */
export function inlined(code: string): string {
  return code.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--')
}
