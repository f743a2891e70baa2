import { expect, test } from 'vitest'
import { panned, Pinch, pinched, settled, zoomed } from './zoom'

test('nearer and farther keep a place, and a move keeps the length', () => {
  expect(zoomed([0, 100], 0.5, 20)).toEqual([10, 60])
  expect(zoomed([10, 60], 2, 20)).toEqual([0, 100])
  expect(panned([10, 60], -0.5)).toEqual([-15, 35])
})

test('what two fingers are at stays under them', () => {
  expect(pinched([0, 100], [0.4, 0.6], [0.2, 0.8])).toEqual([100 / 3, 200 / 3].map((each) => expect.closeTo(each)))
  expect(pinched([0, 100], [0.2, 0.8], [0.3, 0.9])).toEqual([-10, 90].map((each) => expect.closeTo(each)))
  // The other finger came first.
  expect(pinched([0, 100], [0.6, 0.4], [0.8, 0.2])[0]).toBeCloseTo(100 / 3)
  expect(pinched([0, 100], [0.4, 0.6], [0.7, 0.2])).toEqual([0, 100])
  expect(pinched([0, 100], [0.5, 0.5], [0.2, 0.8])).toEqual([0, 100])
})

test('a range in the address is whole, not empty and not before the start', () => {
  expect(settled([3.4, 7.2], 'step')).toEqual([3, 8])
  expect(settled([5.1, 5.2], 'step')).toEqual([4, 6])
  expect(settled([-10, 90], 'step')).toEqual([0, 90])
  expect(settled([-10, -5], 'relative')).toEqual([0, 0.001])
  expect(settled([-10.5, 7.5], 'wall')).toEqual([-10.5, 7.5])
  for (const axis of ['step', 'wall'] as const) {
    const [start, stop] = settled([-1e300, 1e300], axis)
    expect(stop - start).toBeLessThanOrEqual(1e15)
    expect(start).toBeLessThan(stop)
  }
})

test('a pinch begins with the second finger and ends with either', () => {
  const pinch = new Pinch()
  expect(pinch.down(1, 0.4, [0, 100])).toBe(false)
  expect(pinch.move(1, 0.4)).toBeNull()
  expect(pinch.down(2, 0.6, [0, 100])).toBe(true)
  pinch.move(1, 0.2)
  expect(pinch.move(2, 0.8)![0]).toBeCloseTo(100 / 3)
  expect(pinch.up(1)).toBe(true)
  expect(pinch.move(2, 0.9)).toBeNull()
  expect(pinch.up(2)).toBe(false)
  expect(pinch.up(7)).toBe(false)
})
