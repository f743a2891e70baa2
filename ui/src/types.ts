/** What the native API sends, as docs/api.md says. */

export type Axis = 'step' | 'relative' | 'wall'
/** A float64 in JSON: what JSON cannot say is spelled. */
export type Number64 = number | 'NaN' | 'Infinity' | '-Infinity'

export interface Session {
  auth: 'off' | 'keys'
  signed_in: boolean
  account?: string | null
  key_id?: string | null
  role?: string | null
  csrf?: string | null
  region?: string
  endpoint?: string
  version?: string
}

export interface Experiment {
  name: string
  display_name: string | null
  created_ms: number
  runs: number
}

export interface Run {
  name: string
  display_name: string | null
  ordinal?: number
  experiments: string[]
  trials: string[]
  status: string | null
  status_message: string | null
  created_ms: number
  modified_ms: number
  start_ms: number | null
  end_ms: number | null
  last_point_ms: number | null
  points: number
  metrics: number
  nan?: number
  inf?: number
  parameters: Record<string, string | number>
  tags: Record<string, string>
}

export interface MetricSummary {
  name: string
  count: number
  min: Number64 | null
  max: Number64 | null
  last: Number64 | null
  avg: Number64 | null
  std_dev: Number64 | null
  last_ms: number | null
}

export interface Note {
  id: string
  metric: string | null
  step: number
  text: string
  created_ms: number
  created_by: string
}

export interface PlacedNote extends Note {
  /** Where it stands on the x axis; null: no point got so far. */
  x: number | null
}

export interface RunDetails extends Run {
  metric_summaries: MetricSummary[]
  notes: Note[]
}

export interface MetricName {
  name: string
  runs: number
}

export interface MetricRank {
  name: string
  score: Number64 | null
  last_ms: number | null
  nan: number
  inf: number
}

export interface SummaryColumns {
  last: (Number64 | null)[]
  min: (Number64 | null)[]
  max: (Number64 | null)[]
  count: (number | null)[]
}

/** The first point beyond a target. */
export interface TargetPoint {
  step: number | null
  timestamp_ms: number
  elapsed_ms: number
  value: Number64
}

export type RawPoint = [step: number | null, timestamp_ms: number, value: Number64]

export type Smooth = { kind: 'ema'; weight: number; by?: 'x' } | { kind: 'median'; window: number }

export interface FrameRequest {
  x: Axis
  buckets: number
  start: number | null
  stop: number | null
  charts: { metric: string; runs: string[] }[]
  smooth: Smooth | null
  /** Fit a y-axis to the quantiles of the points, and count those outside of it. */
  robust: boolean
}

export interface Event64 {
  x: number
  step: number | null
  timestamp_ms: number
}

/** Columns of one series: one row per bucket that is not empty, in ascending order. */
export interface Columns {
  bucket: Float64Array
  first_x: Float64Array
  min: Float64Array
  max: Float64Array
  mean: Float64Array
  last: Float64Array
  count: Float64Array
  nan: Float64Array
  pos_inf: Float64Array
  neg_inf: Float64Array
  smooth: Float64Array | null
}

export interface Series {
  run: string
  points: number
  in_range: number
  without_x: number
  widest: number
  nan: number
  inf: number
  first_nan: Event64 | null
  first_inf: Event64 | null
  last_ms: number | null
  error: string | null
  restarts: number[]
  rows: number
  columns: Columns
}

export interface Robust {
  low: number
  high: number
  below: number
  above: number
  least: number
  greatest: number
}

/** What of a view a frame was made for. */
export interface Asked {
  x: Axis
  start: number | null
  stop: number | null
  smooth: Smooth | null
  robust: boolean
  base: string
}

export interface ChartFrame {
  metric: string
  /** Set by the loader: what is looked at may be something else by now. */
  asked?: Asked
  start: number
  stop: number
  width: number
  buckets: number
  robust?: Robust | null
  /** Of the average, in units of x. */
  half_life?: number | null
  series: Series[]
}
