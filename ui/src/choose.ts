/** Which runs are listed, which are drawn, and how they are called. */

import { own } from './own'
import { rampSlot } from './palette'
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

/** How runs are grouped: those that share the values of these parameters are together. */
export interface Grouping {
  by: string[]
  /** The seeds that the runs of a group differ in; empty where one parameter was chosen. */
  seeds: string[]
  /** Nobody chose it: nothing else differs. */
  auto: boolean
}

/** Two runs are compared; from so many on they are a group without anyone saying so. */
const FOLDED_MIN = 3
/** What a seed is called. */
const SEED = /(seed|random_state)$/i

/** The seeds in which runs differ, and what else they differ in; null: there is nothing to fold. */
export function seedsOf(list: Run[]): { seeds: string[]; by: string[] } | null {
  const differing = parameterNames(list).filter(({ differs }) => differs).map(({ name }) => name)
  const seeds = differing.filter((name) => SEED.test(name))
  return seeds.length ? { seeds, by: differing.filter((name) => !SEED.test(name)) } : null
}

export function groupingOf(list: Run[], view: Pick<View, 'group' | 'seeds'>): Grouping | null {
  if (view.group) return { by: [view.group], seeds: [], auto: false }
  const found = view.seeds === 'apart' ? null : seedsOf(list)
  if (!found) return null
  if (view.seeds === 'fold') return { ...found, auto: false }
  const seeded = list.every((run) => found.seeds.some((name) => Object.hasOwn(run.parameters ?? {}, name)))
  return seeded && !found.by.length && list.length >= FOLDED_MIN ? { ...found, auto: true } : null
}

/** A run's own value of a parameter, which may be called like anything that all objects have. */
function valueOf(run: Run | undefined, name: string): string {
  return String(own(run?.parameters, name) ?? NO_VALUE)
}

/** The name of the group that a run is in. */
export function groupOf(run: Run | undefined, { by, seeds }: Grouping): string {
  const value = (name: string) => valueOf(run, name)
  if (!seeds.length) return value(by[0])
  return by.map((name) => `${name}=${value(name)}`).join(', ') || 'all seeds'
}

/** All groups in order, whichever runs are drawn: their colours come from their places. */
export function groups(list: Run[], grouping: Grouping): string[] {
  const found = new Map(list.map((run) =>
    [groupOf(run, grouping), grouping.by.map((name) => valueOf(run, name))]))
  const compare = (a: string, b: string) =>
    Number(a) - Number(b) || a.localeCompare(b, 'en', { numeric: true })
  return [...found]
    .sort(([, one], [, other]) =>
      one.reduce((order, value, index) => order || compare(value, other[index]), 0))
    .map(([name]) => name)
}

/** The slots of the values of a parameter: on a ramp where they are numbers, three or more. */
export function slotsOf(values: string[]): number[] {
  const known = values.filter((value) => value !== NO_VALUE)
  const numbers = known.length > 2 && known.every((value) => value.trim() !== '' && Number.isFinite(Number(value)))
  return values.map((value, index) =>
    numbers && value !== NO_VALUE ? rampSlot(known.indexOf(value) / (known.length - 1)) : index)
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
  const missing = (name: string) => runs.some((run) => !Object.hasOwn(run.parameters ?? {}, name))
  return [...values]
    .map(([name, seen]) => ({ name, differs: seen.size > 1 || missing(name) }))
    .sort((a, b) => Number(b.differs) - Number(a.differs) || a.name.localeCompare(b.name))
}
