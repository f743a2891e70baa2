import { expect, test } from 'vitest'
import { student95 } from './groups'
import { atOrBefore, build, completeness, nearest, spoken, type SceneOptions } from './scene'
import { decodeFrame } from './frame'
import { mapping } from './draw'
import { clusters } from './restarts'
import { arcsinhTicks } from './ticks'
import { chartOf, frameOf } from './testing'
import { SCALES } from './view'

const OPTIONS: SceneOptions = {
  axis: 'step', scale: 'linear', from: null, to: null, base: '', groupOf: null, groups: [],
  band: 'range',
  labelOf: (run) => run, slotOf: () => 0, drawn: () => true, notesOf: () => [],
}

test('every bucket is drawn, and the line below the chart says so', () => {
  const [frame] = decodeFrame(frameOf({
    metric: 'loss', start: 0, stop: 2_500_000, width: 2500, buckets: 1000,
    series: [{ run: 'a', rows: Array.from({ length: 400 }, (_, i) => [i, i * 2500, i, i + 9, i + 4, i, 2500, 0, 0, 0]) }],
  }))
  const scene = build(frame, OPTIONS)
  expect(scene.lines[0].x.length).toBe(400)
  expect(completeness(scene)).toBe('1,000,000 of 1,000,000 points; widest bucket 2,500')
  expect(scene.y[0]).toBeLessThan(0)
  expect(scene.y[1]).toBeGreaterThan(408)
})

test('NaN breaks the line and is counted and named; it does not touch the axis', () => {
  const scene = build(chartOf({ a: [[0, 1], [1, NaN], [2, 3], [3, Infinity]] }), OPTIONS)
  expect([...scene.lines[0].middle]).toEqual([1, NaN, 3, NaN])
  expect(scene.bad).toBe(2)
  expect(scene.firstBad).toMatchObject({ run: 'a', kind: 'NaN', up: false, x: 1, step: 1 })
  expect(scene.y[1]).toBeLessThan(4)
  expect(spoken(scene)).toContain('first NaN at step 1')
})

test.each([
  [[[5, 7]]], [[[0, NaN], [1, NaN]]], [[[0, -1.7e308], [1, 1.7e308]]], [[[0, 1e-300], [1, 1e300]]],
  [[[0, 5e-324], [1, 5e-324]]], [[[0, 1e16], [1, 1e16 + 2]]],
] as [number, number][][][])('any values give a finite range: %j', (points) => {
  for (const scale of SCALES) {
    const { x, y } = build(chartOf({ a: points }), { ...OPTIONS, scale })
    for (const each of [...x, ...y]) expect(Number.isFinite(each)).toBe(true)
    expect(x[0]).toBeLessThan(x[1])
    expect(y[0]).toBeLessThan(y[1])
  }
})

test('the robust axis counts what lies outside of it', () => {
  const points = Array.from({ length: 300 }, (_, i) => [i, i === 7 ? 1e6 : Math.sin(i)]) as [number, number][]
  const scene = build(chartOf({ a: points }), { ...OPTIONS, scale: 'robust' })
  expect(scene.y[1]).toBeLessThan(2)
  expect(scene.above).toEqual({ buckets: 1, points: null, extreme: 1e6 })
})

test('the robust axis that the server fitted comes with the points outside of it', () => {
  const points = Array.from({ length: 300 }, (_, i) => [i, i === 7 ? 1e6 : Math.sin(i)]) as [number, number][]
  const robust = { low: -1.1, high: 1.05, below: 0, above: 3, least: -1, greatest: 1e6 }
  const frame = { ...chartOf({ a: points }), robust }
  const scene = build(frame, { ...OPTIONS, scale: 'robust' })
  expect(scene.y).toEqual([-1.1, 1.05])
  expect(scene.above).toEqual({ buckets: 1, points: 3, extreme: 1e6 })
  expect(spoken(scene)).toContain('Above the axis: 3 points, up to 1,000,000.')
  // Differences are no points of the store: buckets are counted.
  const base = { ...OPTIONS, scale: 'robust' as const, base: 'a' }
  expect(build(frame, base).above.points).toBeNull()
})

test('arcsinh is linear near zero and logarithmic on both sides of it', () => {
  const points = [-1e6, -1e3, -1, -0.1, 0, 0.1, 1, 1, 1, 1e3, 1e6].map((value, x) => [x, value]) as [number, number][]
  const scene = build(chartOf({ a: points }), { ...OPTIONS, scale: 'arcsinh' })
  expect(scene.threshold).toBe(1)
  const map = mapping(scene, { left: 0, top: 0, width: 100, height: 200 }, 1)
  const [zero, one, thousand, million] = [0, 1, 1e3, 1e6].map((y) => map.toY(y))
  expect(zero).toBeCloseTo(100)
  expect((thousand - million) / Math.log(1000)).toBeCloseTo((zero - one) / Math.asinh(1), 4)
  expect(map.toY(-1e6)).toBeCloseTo(200 - million)
  expect(arcsinhTicks(...scene.y, 1, 4)).toEqual([-1e6, -1000, 0, 1000, 1e6])
  expect(arcsinhTicks(-2, 2, 1, 4)).toEqual([-2, -1, 0, 1, 2])
})

test('on a log axis what is not above zero is counted as below it, and one value stands in the middle', () => {
  const points = Array.from({ length: 101 }, (_, i) => [i, (-1) ** i * 10 ** (6 * i - 300)]) as [number, number][]
  const scene = build(chartOf({ a: points }), { ...OPTIONS, scale: 'log' })
  expect(scene.below).toEqual({ buckets: 50, points: null, extreme: expect.closeTo(-1e294, -290) })
  expect(scene.above.buckets).toBe(0)
  const map = mapping(scene, { left: 0, top: 0, width: 100, height: 200 }, 1)
  const shown = points.map(([, value]) => map.toY(value)).filter((y) => y >= 0 && y <= 200)
  expect(shown).toHaveLength(51)
  const seven = build(chartOf({ a: [[0, 7], [1, 7]] }), { ...OPTIONS, scale: 'log' })
  expect(mapping(seven, { left: 0, top: 0, width: 100, height: 200 }, 1).toY(7)).toBeCloseTo(100)
})

test('a difference is taken from the baseline on the shared grid, between its points too', () => {
  const frame = chartOf({ base: [[0, 10], [4, 30]], a: [[0, 11], [1, 16], [2, 21], [4, 31], [6, 1]] })
  const scene = build(frame, { ...OPTIONS, base: 'base', drawn: (run) => run === 'a' })
  expect(scene.difference).toBe(true)
  expect([...scene.lines[0].middle]).toEqual([1, 1, 1, 1, NaN])
})

test('a group has the mean of its runs, from the least to the most, and its members', () => {
  const frame = chartOf({ a: [[0, 1], [2, 3]], b: [[0, 3], [1, 4], [2, 9]], c: [[0, 100]] })
  const scene = build(frame, {
    ...OPTIONS, groups: ['x', 'y'], groupOf: (run) => (run === 'c' ? 'y' : 'x'),
  })
  const [x, y] = scene.lines
  expect([x.id, y.id]).toEqual(['x', 'y'])
  expect([...x.middle]).toEqual([2, 3, 6])
  expect([...x.min]).toEqual([1, 2, 3])
  expect([...x.max]).toEqual([3, 4, 9])
  expect(x.members.map((line) => line.id)).toEqual(['a', 'b'])
})

test('a group keeps what is no number of its members, above or below', () => {
  const frame = chartOf({ a: [[0, 1], [1, Infinity]], b: [[0, 3], [1, NaN], [2, -Infinity]], c: [[0, 5], [1, 6]] })
  frame.series[0].first_inf = { x: 1, step: 1, timestamp_ms: 0 }
  frame.series[1].first_inf = { x: 2, step: 2, timestamp_ms: 0 }
  const scene = build(frame, { ...OPTIONS, groups: ['x', 'y'], groupOf: (run) => (run === 'c' ? 'y' : 'x') })
  const [x, y] = scene.lines
  expect([x.bad!.nan, x.bad!.above, x.bad!.below].map((each) => [...each])).toEqual([[0, 1, 0], [0, 1, 0], [0, 0, 1]])
  expect(y.bad).toBeNull()
  expect(build(frame, { ...OPTIONS, drawn: (run) => run === 'a' }).lines[0].firstBad).toMatchObject({ kind: 'Inf', up: true })
})

test('restarts close together are one mark with a count', () => {
  expect(clusters([50, 9, 1, 5, 80], 6)).toEqual([{ at: 1, many: 3 }, { at: 50, many: 1 }, { at: 80, many: 1 }])
})

test('the band of 95 % is the confidence of the mean over the runs', () => {
  const frame = chartOf({ a: [[0, 1], [1, 5]], b: [[0, 3]], c: [[0, 8]] })
  const scene = build(frame, { ...OPTIONS, band: '95', groups: ['x'], groupOf: () => 'x' })
  const [{ middle, min, max, used, members }] = scene.lines
  expect(middle[0]).toBe(4)
  const away = 4.3027 * Math.sqrt((9 + 1 + 16) / 2 / 3)
  expect(min[0]).toBeCloseTo(4 - away, 10)
  expect(max[0]).toBeCloseTo(4 + away, 10)
  // Of one run nothing is known.
  expect([middle[1], min[1], max[1]]).toEqual([5, 5, 5])
  expect([...used!]).toEqual([3, 1])
  expect(members).toHaveLength(3)
  expect(spoken(scene)).toContain('1 group of runs')
  expect(spoken(scene)).toContain('95 % confidence of the mean')
  expect(student95(31)).toBeCloseTo(2.0395, 3)
  expect(student95(299)).toBeCloseTo(1.968, 3)
})

test('differences of groups stand before the noise of the baseline’s group', () => {
  const frame = chartOf({ base: [[0, 10], [1, 10]], b: [[0, 12], [1, 9]], c: [[0, 20], [1, 20]] })
  const options = { ...OPTIONS, base: 'base', groups: ['x', 'y'], groupOf: (run: string) => (run === 'c' ? 'y' : 'x') }
  const scene = build(frame, options)
  expect([...scene.noise!.min]).toEqual([0, -1])
  expect([...scene.noise!.max]).toEqual([2, 0])
  expect(scene.lines.map((line) => [...line.middle])).toEqual([[1, -0.5], [10, 10]])
  expect(spoken(scene)).toContain('Grey band: the 2 runs of the baseline’s group.')
  // One run alone has no noise to show.
  expect(build(frame, { ...options, base: 'c' }).noise).toBeNull()
})

test('search finds the row at, before and nearest to a place', () => {
  const xs = Float64Array.of(1, 3, 7)
  expect([0, 1, 2, 9].map((x) => atOrBefore(xs, x))).toEqual([-1, 0, 0, 2])
  expect([0, 2, 5.5, 99].map((x) => nearest(xs, x))).toEqual([0, 0, 2, 2])
  expect(nearest(new Float64Array(), 1)).toBe(-1)
})
