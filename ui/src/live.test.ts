import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Feed, type Told } from './feed'
import { Live, type Changed } from './live'

class Source {
  static all: Source[] = []
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  closed = false
  heard: Record<string, (event: { data: string }) => void> = {}

  constructor(readonly address: string) {
    Source.all.push(this)
  }

  addEventListener(name: string, listener: (event: { data: string }) => void) {
    this.heard[name] = listener
  }

  close() {
    this.closed = true
  }
}

beforeEach(() => {
  Source.all = []
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Source)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('it says what changed, comes back after an error, and reads what it missed', () => {
  const changes: (Changed | null)[] = []
  const states: string[] = []
  const live = new Live('live', (change) => changes.push(change), (state) => states.push(state))
  live.start()
  Source.all[0].onopen!()
  Source.all[0].heard.changed({ data: '{"runs":["a"],"new":[],"deleted":[]}' })
  expect(changes).toEqual([null, { runs: ['a'], new: [], deleted: [] }])
  Source.all[0].onerror!()
  expect(Source.all[0].closed).toBe(true)
  vi.advanceTimersByTime(600)
  Source.all[1].onopen!()
  expect(changes.at(-1)).toBeNull()
  expect(states).toEqual(['connecting', 'open', 'lost', 'connecting', 'open'])
  live.stop()
  expect(Source.all[1].closed).toBe(true)
})

test('a pause closes the connection, and going on opens it', () => {
  const states: string[] = []
  const live = new Live('live', () => {}, (state) => states.push(state))
  live.start()
  live.pause(true)
  expect(Source.all[0].closed).toBe(true)
  expect(states.at(-1)).toBe('paused')
  vi.advanceTimersByTime(60_000)
  expect(Source.all).toHaveLength(1)
  live.pause(false)
  expect(Source.all).toHaveLength(2)
})

test('one connection serves all pages, and ends with the last of them', () => {
  const feed = new Feed('live')
  const told: Record<string, Told[]> = { a: [], b: [] }
  const a = (each: Told) => told.a.push(each)
  const b = (each: Told) => told.b.push(each)
  feed.join(a)
  Source.all[0].onopen!()
  feed.join(b)
  expect(Source.all).toHaveLength(1)
  expect(told.b).toEqual([{ state: 'open' }])
  Source.all[0].heard.changed({ data: '{"runs":["one"]}' })
  expect(told.a.at(-1)).toEqual({ changed: { runs: ['one'] } })
  expect(told.b.at(-1)).toEqual({ changed: { runs: ['one'] } })
  feed.leave(a)
  expect(Source.all[0].closed).toBe(false)
  feed.leave(b)
  expect(Source.all[0].closed).toBe(true)
})

test('whoever signs in gets a connection of their own session, and a page that comes does not wait', () => {
  const feed = new Feed('live')
  const page = () => {}
  feed.join(page)
  Source.all[0].onopen!()
  feed.join(page, true)
  expect(Source.all.map((each) => each.closed)).toEqual([true, false])
  Source.all[1].onerror!()
  feed.join(() => {})
  expect(Source.all.map((each) => each.closed)).toEqual([true, true, false])
  vi.advanceTimersByTime(60_000)
  expect(Source.all).toHaveLength(3)
})
