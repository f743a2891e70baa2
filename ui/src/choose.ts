/** Which runs are listed, which are drawn, and how they are called. */

import type { Run } from './types'
import { filter, type View } from './view'

/** How many runs are drawn before anyone has chosen. */
export const NEWEST = 12
/** No frame has more in one chart. */
export const DRAWN_MAX = 300
/** A run that says it runs and has been silent for so long is stalled. */
export const STALLED_MS = 120_000

export function title(run: Run): string {
  return run.display_name || run.name
}

/** The runs that pass the filters, newest first. */
export function listed(runs: Run[], view: View): Run[] {
  const { test } = filter(view.runs)
  return runs.filter((run) => {
    if (view.status.length && !view.status.includes(run.status ?? 'Unknown')) return false
    if (view.nan_runs && !((run.nan ?? 0) + (run.inf ?? 0))) return false
    if (test(title(run)) || test(run.name)) return true
    return Object.entries(run.tags ?? {}).some(([key, value]) => test(`${key}=${value}`))
      || Object.entries(run.parameters ?? {}).some(([key, value]) => test(`${key}=${value}`))
  })
}

/** The names of the runs that are drawn, in the order of the list. */
export function drawn(list: Run[], view: View): string[] {
  const first = view.show === 'all' ? list.length : view.show === 'none' ? 0 : NEWEST
  const on = new Set(view.on)
  const off = new Set(view.off)
  return list
    .filter((run, index) => (index < first || on.has(run.name)) && !off.has(run.name))
    .map((run) => run.name)
}

/** The change that draws a run or takes it away. */
export function toggle(list: Run[], view: View, name: string): Pick<View, 'on' | 'off'> {
  const is = drawn(list, view).includes(name)
  const without = (names: string[]) => names.filter((each) => each !== name)
  const next = { on: without(view.on), off: without(view.off) }
  if (drawn(list, { ...view, ...next }).includes(name) !== is) return next
  return is ? { ...next, off: [...next.off, name] } : { ...next, on: [...next.on, name] }
}

export type Freshness = 'running' | 'stalled' | 'failed' | 'done' | 'quiet'

/** How a run is doing, from its status and the age of its last point. */
export function freshness(run: Run, now: number): Freshness {
  const age = run.last_point_ms === null ? null : now - run.last_point_ms
  if (run.status === 'Failed') return 'failed'
  if (run.status === 'Completed' || run.status === 'Stopped') return 'done'
  const silent = age ?? now - run.created_ms
  if (run.status === 'InProgress') return silent > STALLED_MS ? 'stalled' : 'running'
  return silent <= STALLED_MS && age !== null ? 'running' : 'quiet'
}

export const NO_VALUE = '(none)'

/** The group that a run is in: its value of a parameter. */
export function groupOf(run: Run | undefined, parameter: string): string {
  return String(run?.parameters?.[parameter] ?? NO_VALUE)
}

/** All groups in order, whichever runs are drawn: their colours come from their places. */
export function groups(list: Run[], parameter: string): string[] {
  const names = new Set(list.map((run) => groupOf(run, parameter)))
  const byNumber = (a: string, b: string) => Number(a) - Number(b)
  return [...names].sort((a, b) => byNumber(a, b) || a.localeCompare(b, 'en', { numeric: true }))
}

/** The parameters of any run, those that differ first. */
export function parameterNames(runs: Run[]): { name: string; differs: boolean }[] {
  const values = new Map<string, Set<string>>()
  for (const run of runs) {
    for (const [name, value] of Object.entries(run.parameters ?? {})) {
      if (!values.has(name)) values.set(name, new Set())
      values.get(name)!.add(String(value))
    }
  }
  const missing = (name: string) => runs.some((run) => !(name in (run.parameters ?? {})))
  return [...values]
    .map(([name, seen]) => ({ name, differs: seen.size > 1 || missing(name) }))
    .sort((a, b) => Number(b.differs) - Number(a.differs) || a.name.localeCompare(b.name))
}
