import { expect, test } from 'vitest'
import { DEFAULTS, filter, format, parse, SMOOTH_MAX, smoothOf, windowOf, type View } from './view'

test('a view that is spelled and read again is the same', () => {
  const view: View = {
    ...DEFAULTS, page: 'table', runs: 'lr=(0\\.1|3e-4)&x=1', metrics: '^train/', on: ['a/b', 'ü 🙂'],
    off: ['c'], sort: 'difference', x: 'wall', y: 'arcsinh', smooth: 0.97, median: true, from: -1.5, to: 1e300,
    shut: ['val'], pin: ['train/loss'], at: 0, on_chart: 'x', differing: true,
    points: '["a","b",0,10]', seeds: 'apart', band: '95', color: 'lr&x', target: 'a<b < 0.1',
  }
  expect(parse(format(view))).toEqual(view)
})

test('the usual view has an empty address', () => {
  expect(format({ ...DEFAULTS })).toBe('')
  expect(parse('')).toEqual(DEFAULTS)
})

test.each([
  ['?x=sideways', { x: 'step' }],
  ['?smooth=7', { smooth: SMOOTH_MAX }],
  ['?smooth=NaN&from=Infinity&to=abc', { smooth: 0, from: null, to: null }],
  ['?seeds=7&band=99', { seeds: 'auto', band: 'range' }],
  ['?from=9&to=3', { from: null, to: null }],
  ['?on=a&on=a&on=', { on: ['a'] }],
  ['?differing=true', { differing: false }],
  ['?%E0%A4%A&unknown=1&__proto__=x', {}],
])('an address edited by hand does no harm: %s', (search, expected) => {
  expect(parse(search)).toMatchObject({ ...DEFAULTS, ...expected })
})

test('a filter is a regular expression, and plain text while that is unfinished', () => {
  expect(filter('^a.c$').test('ABC')).toBe(true)
  const unfinished = filter('loss(')
  expect(unfinished.error).not.toBeNull()
  expect(unfinished.test('train/Loss(1)')).toBe(true)
  expect(filter('').test('anything')).toBe(true)
})

test('the slider gives a weight, or a window of so many points', () => {
  expect(smoothOf({ smooth: 0, median: true, per_point: false })).toBeNull()
  // By distance along x, unless each point is to weigh the same: addresses of old have no word for it.
  expect(smoothOf(parse('?smooth=0.9'))).toEqual({ kind: 'ema', weight: 0.9, by: 'x' })
  expect(smoothOf(parse('?smooth=0.9&per_point=1'))).toEqual({ kind: 'ema', weight: 0.9 })
  expect(smoothOf({ smooth: 0.9, median: true, per_point: false })).toEqual({ kind: 'median', window: 11 })
  expect([0.01, 0.6, 0.99, 0.999, SMOOTH_MAX].map(windowOf)).toEqual([3, 3, 101, 1001, 1001])
})
