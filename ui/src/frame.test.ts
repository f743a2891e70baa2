import { expect, test } from 'vitest'
import { BrokenFrame, decodeFrame } from './frame'
import { frameOf } from './testing'

test('columns are views on what came, NaN and infinities to the bit', () => {
  const buffer = frameOf({
    metric: 'loss', start: 0, stop: 30, width: 10, buckets: 3,
    series: [{ run: 'a', rows: [[0, 0, 1, 2, 1.5, 2, 2, 0, 0, 0], [2, 25, NaN, NaN, NaN, NaN, 1, 1, 0, 0]] }],
  })
  const [chart] = decodeFrame(buffer)
  const { columns } = chart.series[0]
  expect([...columns.bucket]).toEqual([0, 2])
  expect([...columns.mean]).toEqual([1.5, NaN])
  expect(columns.smooth).toBeNull()
  expect(columns.mean.buffer).toBe(buffer)
})

test.each([0, 3, 4, 11, 60])('a frame cut after %s bytes is an error, never a shorter answer', (bytes) => {
  const buffer = frameOf({
    metric: 'loss', start: 0, stop: 30, width: 10, buckets: 3,
    series: [{ run: 'a', rows: [[0, 0, 1, 2, 1.5, 2, 2, 0, 0, 0]] }],
  })
  expect(() => decodeFrame(buffer.slice(0, bytes))).toThrow(BrokenFrame)
  expect(() => decodeFrame(buffer.slice(0, buffer.byteLength - 8))).toThrow(BrokenFrame)
})
