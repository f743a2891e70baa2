import { expect, test } from 'vitest'
import { gridOf, HEAD, place, seen } from './grid'
import { ALL, prefix, sections, suffix, titles } from './sections'
import type { MetricRank } from './types'
import { DEFAULTS } from './view'

const named = (...names: string[]) => names.map((name) => ({ name, runs: 1 }))

test('charts stand in sections by prefix, numbers in their order, pinned ones first', () => {
  const found = sections(
    named('train/loss10', 'train/loss9', 'val:acc', 'lonely', '/odd'), { ...DEFAULTS, pin: ['val:acc', 'gone'] }, null,
  )
  expect(found).toEqual([
    { name: 'pinned', metrics: ['val:acc'] },
    { name: 'train', metrics: ['train/loss9', 'train/loss10'] },
    { name: '', metrics: ['/odd', 'lonely'] },
  ])
  expect([prefix('a/b/c'), suffix('a/b/c'), suffix('a/'), suffix('x')]).toEqual(['a', 'b/c', 'a/', 'x'])
})

test('what differs most comes first, and only what has NaN where that is asked for', () => {
  const rank = (name: string, score: number | 'Infinity', nan = 0): [string, MetricRank] =>
    [name, { name, score, nan, inf: 0, last_ms: null }]
  const ranks = new Map([rank('a', 0.1), rank('b', 'Infinity', 2), rank('c', 3)])
  const view = { ...DEFAULTS, sort: 'difference' as const }
  expect(sections(named('a', 'b', 'c', 'd'), view, ranks)[0].metrics).toEqual(['b', 'c', 'a', 'd'])
  expect(sections(named('a', 'b', 'c'), { ...view, nan: true }, ranks)[0].metrics).toEqual(['b'])
  expect(sections(named('a', 'b', 'c'), { ...view, nan: true }, null)).toEqual([])
})

test('of ten thousand charts only those near the screen are made', () => {
  const grid = gridOf(1140, 'm')
  const metrics = Array.from({ length: 10_000 }, (_, index) => `m${index}`)
  const [placed] = place([{ name: 'm', metrics }], [], grid)
  const shown = seen(placed, grid, 50_000, 900)
  expect(shown.length).toBeLessThan(30)
  const tops = shown.map((each) => each.top + HEAD)
  expect(Math.min(...tops)).toBeLessThanOrEqual(50_000)
  expect(Math.max(...tops) + grid.card.height).toBeGreaterThanOrEqual(50_900)
  expect(seen({ ...placed, shut: true }, grid, 0, 900)).toEqual([])
})

test('charts of a section that would be called the same have their whole names', () => {
  const called = titles({ name: 'train', metrics: ['train/accuracy', 'train/loss', 'train:accuracy'] })
  expect([...called.values()]).toEqual(['train/accuracy', 'loss', 'train:accuracy'])
  expect([...titles({ name: ALL, metrics: ['a/x', 'b/x'] }).values()]).toEqual(['a/x', 'b/x'])
})
