/**
 * Frames for the charts on the screen: one request for all that need one. A chart keeps what it has
 * until the next frame is there, so that nothing flickers.
 */

import type { Asked, ChartFrame, FrameRequest } from './types'
import type { FrameAnswer } from './api'

/** The baseline is fetched also where it is not drawn. */
export interface Wanted extends Asked {
  runs: string[]
}

export type Take = (frame: ChartFrame | null, problem: string) => void

interface Seat {
  take: Take
  buckets: number
  /** The state that the chart's frame belongs to; empty where it has none. */
  has: string
}

type Fetch = (request: FrameRequest, signal: AbortSignal) => Promise<FrameAnswer>

const KEPT_MAX = 60
/** What is kept beside the charts on the screen: rows of 11 columns of float64, about 26 MB. */
const KEPT_ROWS_MAX = 300_000
const CHARTS_MAX = 24
const SERIES_MAX = 9000
/** So many in the very first request: with hundreds of runs the first charts come before the rest. */
const SERIES_FIRST = 1200
const RUNS_MAX = 300
/** Rows of one request: 11 columns of float64, so 26 MB at most. */
const ROWS_MAX = 300_000
/**
 * As many charts share them at least, whether a row of charts is asked for or a screen: a chart of
 * hundreds of runs has the same buckets either way. One that fills the page has them alone.
 */
const SHARES_MIN = 12
const WHOLE_PAGE_BUCKETS = 1000
const RETRY_MS = 2000

export class Loader {
  private readonly seats = new Map<string, Seat>()
  private readonly kept = new Map<string, { key: string; frame: ChartFrame }>()
  private wanted: Wanted | null = null
  private key = ''
  private generation = 0
  private flight: AbortController | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private lastMs = 0
  requests = 0
  bytes = 0

  constructor(
    private readonly fetch: Fetch,
    private readonly onState: (busy: boolean, problem: string) => void = () => {},
  ) {}

  /** What is looked at now. Charts that have other frames get new ones. */
  want(wanted: Wanted): void {
    const key = JSON.stringify(wanted)
    if (key === this.key) return
    this.wanted = wanted
    this.key = key
    // The very first answer is worth having while the list of runs grows.
    if (this.flight && !this.requests) return
    this.flight?.abort()
    this.flight = null
    this.plan(0)
  }

  /** A chart comes near the screen. Returns what takes it away again. */
  enter(metric: string, buckets: number, take: Take): () => void {
    const seat: Seat = { take, buckets, has: '' }
    this.seats.set(metric + '\n' + buckets, seat)
    const kept = this.kept.get(metric + '\n' + buckets)
    if (kept && kept.key === this.key) {
      seat.has = this.state()
      take(kept.frame, '')
    }
    // Charts come a row at a time while the page scrolls; the first ones come all at once.
    this.plan(this.requests ? 16 : 0)
    return () => {
      if (this.seats.get(metric + '\n' + buckets) === seat) this.seats.delete(metric + '\n' + buckets)
    }
  }

  /** New points: what is on the screen is fetched again, what is kept is forgotten. */
  touch(): void {
    this.generation += 1
    this.kept.clear()
    this.plan(Math.max(50, Math.min(5000, this.lastMs * 2)))
  }

  /** Keep what is on the screen as it is: points that are known to have come are not fetched. */
  hold(): void {
    this.flight?.abort()
    this.flight = null
    for (const seat of this.seats.values()) {
      if (seat.has.endsWith(` ${this.key}`)) seat.has = this.state()
    }
    this.plan(0)
  }

  /** Try again now, also after an error. */
  refresh(): void {
    this.touch()
    this.plan(0)
  }

  private state(): string {
    return `${this.generation} ${this.key}`
  }

  private plan(delayMs: number): void {
    if (this.timer !== null) {
      if (delayMs > 16) return
      clearTimeout(this.timer)
    }
    this.timer = setTimeout(() => {
      this.timer = null
      void this.pump()
    }, delayMs)
  }

  private async pump(): Promise<void> {
    if (this.flight || !this.wanted) return
    const state = this.state()
    const due = [...this.seats].filter(([, seat]) => seat.has !== state)
    if (!due.length) return
    if (!this.wanted.runs.length) {
      for (const [, seat] of due) {
        seat.has = state
        seat.take(null, '')
      }
      return
    }
    const { request, seats } = this.request(due)
    const { runs: _, ...asked } = this.wanted
    const flight = new AbortController()
    this.flight = flight
    this.onState(true, '')
    const started = performance.now()
    try {
      const answer = await this.fetch(request, flight.signal)
      if (flight.signal.aborted) return
      this.requests += 1
      this.bytes += answer.bytes
      this.lastMs = performance.now() - started
      this.deal(answer.charts.map((chart) => ({ ...chart, asked })), seats, state)
      this.flight = null
      this.onState(false, '')
      this.plan(0)
    } catch (error) {
      if (flight.signal.aborted) return
      this.flight = null
      const problem = error instanceof Error ? error.message : String(error)
      this.onState(false, problem)
      for (const [, seat] of due) if (seat.has === '') seat.take(null, problem)
      setTimeout(() => this.plan(0), RETRY_MS)
    }
  }

  /** All charts of one width, as many as a frame may have. */
  private request(due: [string, Seat][]): { request: FrameRequest; seats: [string, Seat][] } {
    const wanted = this.wanted!
    const runs = wanted.runs.slice(0, RUNS_MAX)
    if (wanted.base && !runs.includes(wanted.base)) {
      runs.splice(RUNS_MAX - 1)
      runs.push(wanted.base)
    }
    const { buckets } = due[0][1]
    const most = Math.max(1, Math.min(CHARTS_MAX, Math.floor((this.requests ? SERIES_MAX : SERIES_FIRST) / runs.length)))
    const seats = due.filter(([, seat]) => seat.buckets === buckets).slice(0, most)
    const shares = buckets < WHOLE_PAGE_BUCKETS ? Math.max(SHARES_MIN, seats.length) : seats.length
    const room = Math.floor(ROWS_MAX / (runs.length * shares))
    return {
      seats,
      request: {
        x: wanted.x,
        buckets: Math.max(40, Math.min(buckets, room)),
        start: wanted.start,
        stop: wanted.stop,
        charts: seats.map(([key]) => ({ metric: key.slice(0, key.lastIndexOf('\n')), runs })),
        smooth: wanted.smooth,
        robust: wanted.robust,
      },
    }
  }

  private deal(charts: ChartFrame[], seats: [string, Seat][], state: string): void {
    charts.forEach((frame, index) => {
      const [key, seat] = seats[index]
      this.kept.delete(key)
      if (state === this.state()) this.kept.set(key, { key: this.key, frame })
      // The seat may have been taken away, or taken anew, while the frame was on its way.
      const now = this.seats.get(key)
      for (const each of new Set([seat, now])) {
        if (!each || each !== now) continue
        each.has = state
        each.take(frame, '')
      }
    })
    let rows = 0
    for (const { frame } of this.kept.values()) rows += rowsOf(frame)
    for (const [key, { frame }] of this.kept) {
      if (this.kept.size <= KEPT_MAX && rows <= KEPT_ROWS_MAX) break
      this.kept.delete(key)
      rows -= rowsOf(frame)
    }
  }
}

function rowsOf(frame: ChartFrame): number {
  return frame.series.reduce((sum, series) => sum + series.rows, 0)
}
