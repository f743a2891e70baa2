import { expect, test } from 'vitest'
import { arcsinh, placer, unarcsinh } from './bend'
import { labelsOf } from './labels'
import { arcsinhTicks, linearTicks, logTicks, timeTicks } from './ticks'

test.each([
  [0, 1], [1e9, 1e9 + 199], [1e6, 1e6 + 0.02], [1_795_590_000, 1_795_590_200], [1e16, 1e16 + 20],
  [-1e9 - 0.02, -1e9], [-3, 4], [1e-300, 5e-300], [-8e307, 8e307], [1e300, 1.0000001e300], [2.31, 2.31001],
  [5e-324, 1e-322], [0, 1e9], [999_999_999, 1_000_000_001], [-0.001, 0.001], [1e12, 1e12 + 1e-3],
])('labels of values differ wherever ticks do: %d to %d', (low, high) => {
  for (const wanted of [2, 4, 7]) {
    const ticks = linearTicks(low, high, wanted)
    expect(new Set(ticks).size).toBe(ticks.length)
    const { texts } = labelsOf('value', ticks)
    expect(new Set(texts).size, texts.join(' ')).toBe(ticks.length)
    for (const text of texts) expect(text.length).toBeLessThan(16)
  }
})

test('labels have as many digits as their distance asks for, or are added to an offset', () => {
  expect(labelsOf('value', [0, 0.5, 1])).toEqual({ texts: ['0', '0.5', '1'], offset: '' })
  expect(labelsOf('value', [0, 1e9, 2e9]).texts).toEqual(['0', '1e9', '2e9'])
  expect(labelsOf('value', [0, 5e-7, 1e-6]).texts).toEqual(['0', '5e−7', '1e−6'])
  expect(labelsOf('value', [1e9, 1e9 + 100, 1e9 + 200]).texts)
    .toEqual(['1,000,000,000', '1,000,000,100', '1,000,000,200'])
  expect(labelsOf('value', [1e6, 1e6 + 0.01, 1e6 + 0.02]).texts).toEqual(['1,000,000', '1,000,000.01', '1,000,000.02'])
  expect(labelsOf('value', [1e9, 1e9 + 0.05, 1e9 + 0.1])).toEqual({ texts: ['0', '0.05', '0.1'], offset: '1e9 +' })
  expect(labelsOf('value', [-1e9 - 0.1, -1e9 - 0.05, -1e9])).toEqual({ texts: ['−0.1', '−0.05', '0'], offset: '−1e9 +' })
  expect(labelsOf('value', [1, 10, 100, 1e7]).texts).toEqual(['1', '10', '100', '1e7'])
})

test('the steps of an axis have one unit, or all of their digits', () => {
  const of = (ticks: number[]) => labelsOf('step', ticks).texts
  expect(of([0, 200, 400, 600, 800, 1000])).toEqual(['0', '200', '400', '600', '800', '1000'])
  expect(of([0, 500, 1000, 1500, 2000])).toEqual(['0', '0.5k', '1k', '1.5k', '2k'])
  expect(of([0, 2000, 4000])).toEqual(['0', '2k', '4k'])
  expect(of([5000, 5005, 5010])).toEqual(['5000', '5005', '5010'])
  expect(of([5e6, 5e6 + 100, 5e6 + 200])).toEqual(['5,000,000', '5,000,100', '5,000,200'])
  expect(of([999e6, 1e9, 1001e6])).toEqual(['999,000,000', '1,000,000,000', '1,001,000,000'])
  expect(of([0, 5e8, 1e9, 1.5e9])).toEqual(['0', '0.5B', '1B', '1.5B'])
  expect(of([0, 100_000, 200_000])).toEqual(['0', '100k', '200k'])
})

test('times are as fine as their ticks, with the date once', () => {
  const noon = new Date(2026, 10, 25, 12, 3, 4).getTime()
  expect(labelsOf('wall', [0, 1000, 2000].map((ms) => noon + ms)).texts).toEqual(['12:03:04\nNov 25', '12:03:05', '12:03:06'])
  expect(labelsOf('wall', [noon]).texts).toEqual(['12:03:04\nNov 25'])
  expect(labelsOf('wall', [0, 5, 10].map((ms) => noon + ms)).texts)
    .toEqual(['12:03:04.000\nNov 25', '12:03:04.005', '12:03:04.010'])
  const midnight = new Date(2026, 10, 26).getTime()
  const hours = [-6, 0, 6].map((hour) => midnight + hour * 3_600_000)
  expect(labelsOf('wall', hours).texts).toEqual(['18:00\nNov 25', '00:00\nNov 26', '06:00'])
  const days = [30, 31, 32].map((day) => new Date(2026, 11, day).getTime())
  expect(labelsOf('wall', days).texts).toEqual(['Dec 30\n2026', 'Dec 31', 'Jan 1\n2027'])
  expect(labelsOf('relative', [0, 7_200_000, 14_400_000]).texts).toEqual(['0', '2 h', '4 h'])
  expect(labelsOf('relative', [100_000_000, 100_001_000]).texts).toEqual(['1 d 03:46:40', '1 d 03:46:41'])
  for (const wall of [true, false]) {
    const [from, axis] = wall ? [noon, 'wall' as const] : [3e8, 'relative' as const]
    for (const span of [0.5, 3, 40, 3000, 1e5, 1e7, 1e9, 1e11]) {
      const ticks = timeTicks(from, from + span, 4, wall)
      expect(ticks.length).toBeGreaterThan(1)
      const { texts } = labelsOf(axis, ticks)
      expect(new Set(texts).size, texts.join(' ')).toBe(ticks.length)
    }
  }
})

test('600 decades stand on one axis, with labels that differ', () => {
  const place = placer({ scale: 'log', threshold: 1, y: [Number.MIN_VALUE, Number.MAX_VALUE] })
  expect([5e-324, 1, 1e300].map(place)).toEqual([0, expect.closeTo(0.512, 2), expect.closeTo(0.987, 2)])
  expect([0, -1].map(place)).toEqual([NaN, NaN])
  for (const ticks of [logTicks(5e-324, 1.7e308, 5), logTicks(1e-100, 1e100, 5), arcsinhTicks(-1e300, 1e300, 1e-300, 5)]) {
    expect(ticks.length).toBeGreaterThan(3)
    expect(new Set(labelsOf('value', ticks).texts).size).toBe(ticks.length)
  }
  for (const [y, threshold] of [[1e300, 1e-300], [-1e300, 1], [3, 2], [1e-300, 1e-300], [5e9, 1]]) {
    expect(unarcsinh(arcsinh(y, threshold), threshold) / y).toBeCloseTo(1, 9)
  }
})
