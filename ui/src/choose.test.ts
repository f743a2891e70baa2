import { expect, test } from 'vitest'
import { drawn, freshness, groupingOf, groupOf, groups, listed, NEWEST, parameterNames, slotsOf, toggle } from './choose'
import { rampSlot } from './palette'
import type { Run } from './types'
import { DEFAULTS } from './view'

const run = (name: string, more: Partial<Run> = {}): Run => ({
  name, display_name: null, experiments: [], trials: [], status: null, status_message: null,
  created_ms: 0, modified_ms: 0, start_ms: null, end_ms: null, last_point_ms: null, points: 0,
  metrics: 0, parameters: {}, tags: {}, ...more,
})
const LIST = Array.from({ length: 20 }, (_, index) => run(`run-${index}`))

test('the newest are drawn until someone chooses; a choice holds whatever comes', () => {
  expect(drawn(LIST, DEFAULTS)).toHaveLength(NEWEST)
  const view = { ...DEFAULTS, ...toggle(LIST, DEFAULTS, 'run-15') }
  expect(drawn(LIST, view)).toContain('run-15')
  expect(drawn([run('newer'), ...LIST], view)).toEqual(expect.arrayContaining(['newer', 'run-15']))
  const off = { ...view, ...toggle(LIST, view, 'run-0') }
  expect(drawn(LIST, off)).not.toContain('run-0')
  expect(toggle(LIST, off, 'run-0').off).toEqual([])
})

test('runs are found by name, tag, parameter and status', () => {
  const runs = [
    run('a', { parameters: { lr: 0.1 }, status: 'Failed' }), run('b', { tags: { team: 'vision' } }),
    run('c', { display_name: 'Große Ähre', nan: 3 }),
  ]
  const found = (view: object) => listed(runs, { ...DEFAULTS, ...view }).map((each) => each.name)
  expect(found({ runs: 'lr=0\\.1' })).toEqual(['a'])
  expect(found({ runs: 'team=' })).toEqual(['b'])
  expect(found({ runs: 'große' })).toEqual(['c'])
  expect(found({ status: ['Failed'] })).toEqual(['a'])
  expect(found({ nan_runs: true })).toEqual(['c'])
})

test('a run that says it runs and is silent has stalled', () => {
  const at = (status: string | null, silent: number | null) =>
    freshness(run('a', { status, last_point_ms: silent === null ? null : 1e9 - silent }), 1e9)
  expect(at('InProgress', 1000)).toBe('running')
  expect(at('InProgress', 240_000)).toBe('stalled')
  expect(at(null, 1000)).toBe('running')
  expect(at(null, 240_000)).toBe('quiet')
  expect(at('Completed', 1000)).toBe('done')
})

test('parameters that differ come first, and groups are in the order of numbers', () => {
  const runs = [0.1, 0.0003, 0.03].map((lr, index) => run(`${index}`, { parameters: { lr, a: 1 } }))
  expect(parameterNames(runs)).toEqual([{ name: 'lr', differs: true }, { name: 'a', differs: false }])
  const by = (group: string) => groupingOf(runs, { group, seeds: 'auto' })!
  expect(groups(runs, by('lr'))).toEqual(['0.0003', '0.03', '0.1'])
  expect(groups(runs, by('none'))).toEqual(['(none)'])
  expect(groups(runs, by('constructor'))).toEqual(['(none)'])
})

test('seeds are folded where nothing else differs, or where someone says so', () => {
  const seeded = (name: string, lr: number, seed: number) => run(name, { parameters: { lr, seed, a: 1 } })
  const two = [seeded('a', 0.1, 1), seeded('b', 0.1, 2)]
  const same = [...two, seeded('c', 0.1, 3)]
  const other = [...two, seeded('c', 0.2, 1)]
  const auto = { group: '', seeds: 'auto' } as const
  expect(groupingOf(same, auto)).toEqual({ by: [], seeds: ['seed'], auto: true })
  expect(groups(same, groupingOf(same, auto)!)).toEqual(['all seeds'])
  expect(groupingOf(two, auto)).toBeNull()
  expect(groupingOf(other, auto)).toBeNull()
  expect(groupingOf(same, { group: '', seeds: 'apart' })).toBeNull()
  const folded = groupingOf(other, { group: '', seeds: 'fold' })!
  expect(other.map((each) => groupOf(each, folded))).toEqual(['lr=0.1', 'lr=0.1', 'lr=0.2'])
  // A run without a seed is none of them.
  expect(groupingOf([...same, run('d')], auto)).toBeNull()
  expect(groupingOf([run('d'), run('e')], { group: '', seeds: 'fold' })).toBeNull()
  expect(groupingOf(LIST.map((each, seed) => ({ ...each, parameters: { speed: seed } })), auto)).toBeNull()
})

test('numbers are on a ramp, few values and words are not', () => {
  expect(slotsOf(['0.01', '0.03', '0.1'])).toEqual([0, 0.5, 1].map(rampSlot))
  expect(slotsOf(['0.01', '0.1'])).toEqual([0, 1])
  expect(slotsOf(['adam', 'sgd', '3'])).toEqual([0, 1, 2])
  expect(slotsOf(['(none)', '1', '2', '3'])).toEqual([0, ...[0, 0.5, 1].map(rampSlot)])
  expect(slotsOf([])).toEqual([])
})
