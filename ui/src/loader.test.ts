import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { decodeFrame } from './frame'
import { Loader, type Wanted } from './loader'
import { frameOf } from './testing'
import type { ChartFrame, FrameRequest } from './types'

const WANTED: Wanted = {
  x: 'step', start: null, stop: null, smooth: null, robust: false, runs: ['a'], base: '',
}

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function server() {
  const asked: FrameRequest[] = []
  let broken = false
  const fetch = async (request: FrameRequest) => {
    asked.push(request)
    if (broken) throw new Error('The server does not answer.')
    const charts = decodeFrame(frameOf(...request.charts.map(({ metric }) => ({
      metric, start: 0, stop: 1, width: 1, buckets: 1, series: [],
    }))))
    return { charts, bytes: 8 }
  }
  return { asked, fetch, breakIt: (is: boolean) => (broken = is) }
}

test('all charts on the screen come in one request', async () => {
  const { asked, fetch } = server()
  const loader = new Loader(fetch)
  const got: string[] = []
  loader.want(WANTED)
  for (const metric of ['x', 'y', 'z']) loader.enter(metric, 300, (frame) => got.push(frame!.metric))
  await vi.advanceTimersByTimeAsync(100)
  expect(asked).toHaveLength(1)
  expect(got).toEqual(['x', 'y', 'z'])
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toHaveLength(1)
})

test('new points ask again for what is on the screen, and for that only', async () => {
  const { asked, fetch } = server()
  const loader = new Loader(fetch)
  loader.want(WANTED)
  const leave = loader.enter('gone', 300, () => {})
  loader.enter('x', 300, () => {})
  await vi.advanceTimersByTimeAsync(100)
  leave()
  loader.touch()
  loader.touch()
  await vi.advanceTimersByTimeAsync(1000)
  expect(asked).toHaveLength(2)
  expect(asked[1].charts.map((chart) => chart.metric)).toEqual(['x'])
})

test('a page that is held fetches no points that came, but views and charts that are new', async () => {
  const { asked, fetch } = server()
  const loader = new Loader(fetch)
  loader.want(WANTED)
  loader.enter('x', 300, () => {})
  await vi.advanceTimersByTimeAsync(100)
  loader.touch()
  loader.hold()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toHaveLength(1)
  loader.enter('y', 300, () => {})
  await vi.advanceTimersByTimeAsync(100)
  expect(asked[1].charts.map((chart) => chart.metric)).toEqual(['y'])
  loader.want({ ...WANTED, start: 5 })
  loader.hold()
  await vi.advanceTimersByTimeAsync(100)
  expect(asked[2].charts.map((chart) => chart.metric)).toEqual(['x', 'y'])
  loader.touch()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toHaveLength(4)
})

test('another view asks anew, with the baseline; a chart that comes back is there at once', async () => {
  const { asked, fetch } = server()
  const loader = new Loader(fetch)
  loader.want(WANTED)
  const leave = loader.enter('x', 300, () => {})
  await vi.advanceTimersByTimeAsync(100)
  leave()
  let frame: ChartFrame | null = null
  loader.enter('x', 300, (next) => (frame = next))
  expect(frame).not.toBeNull()
  loader.want({ ...WANTED, smooth: { kind: 'ema', weight: 0.9 }, base: 'b' })
  await vi.advanceTimersByTimeAsync(100)
  expect(asked).toHaveLength(2)
  expect(asked[1]).toMatchObject({ smooth: { weight: 0.9 }, charts: [{ runs: ['a', 'b'] }] })
})

test('a chart of hundreds of runs has the same buckets in a row as on a screen', async () => {
  const { asked, fetch } = server()
  const loader = new Loader(fetch)
  const runs = Array.from({ length: 300 }, (_, index) => `run-${index}`)
  loader.want({ ...WANTED, runs })
  loader.enter('x', 300, () => {})
  await vi.advanceTimersByTimeAsync(100)
  for (let chart = 0; chart < 12; chart += 1) loader.enter(`y${chart}`, 300, () => {})
  await vi.advanceTimersByTimeAsync(100)
  loader.enter('whole', 1000, () => {})
  await vi.advanceTimersByTimeAsync(100)
  expect(asked.map(({ charts, buckets }) => [charts.length, buckets])).toEqual([
    [1, 83], [12, 83], [1, 1000],
  ])
})

test('large frames are kept as long as they are few', async () => {
  const rows = (count: number) => Array.from({ length: count }, () => Array(10).fill(0) as number[])
  const asked: string[][] = []
  const loader = new Loader(async ({ charts }) => {
    asked.push(charts.map(({ metric }) => metric))
    return { bytes: 8, charts: decodeFrame(frameOf(...charts.map(({ metric }) => ({
      metric, start: 0, stop: 1, width: 1, buckets: 1,
      series: [{ run: 'a', rows: rows(metric === 'small' ? 1 : 100_000) }],
    })))) }
  })
  loader.want(WANTED)
  const see = async (metric: string) => {
    const leave = loader.enter(metric, 300, () => {})
    await vi.advanceTimersByTimeAsync(100)
    leave()
  }
  for (const metric of ['a', 'b', 'c', 'small', 'b', 'c', 'a']) await see(metric)
  expect(asked).toEqual([['a'], ['b'], ['c'], ['small'], ['a']])
})

test('a chart keeps its frame while the server is gone, and gets the next when it is back', async () => {
  const { fetch, breakIt } = server()
  const problems: string[] = []
  const loader = new Loader(fetch, (_, problem) => problems.push(problem))
  let taken = 0
  loader.want(WANTED)
  loader.enter('x', 300, (frame) => (taken += frame ? 1 : -100))
  await vi.advanceTimersByTimeAsync(100)
  breakIt(true)
  loader.touch()
  await vi.advanceTimersByTimeAsync(3000)
  expect(problems).toContain('The server does not answer.')
  expect(taken).toBe(1)
  breakIt(false)
  await vi.advanceTimersByTimeAsync(5000)
  expect(taken).toBe(2)
  expect(problems.at(-1)).toBe('')
})

test('a frame says what it was made for, whatever is looked at when it comes', async () => {
  const { fetch } = server()
  let release = () => {}
  const slow = new Promise<void>((done) => (release = done))
  const loader = new Loader(async (request) => {
    await slow
    return fetch(request)
  })
  loader.want(WANTED)
  const got: (string | undefined)[] = []
  loader.enter('x', 300, (frame) => got.push(frame?.asked?.x))
  await vi.advanceTimersByTimeAsync(10)
  loader.want({ ...WANTED, x: 'wall' })
  release()
  await vi.advanceTimersByTimeAsync(100)
  expect(got).toEqual(['step', 'wall'])
})
