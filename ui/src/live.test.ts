import { afterEach, beforeEach, expect, test, vi } from 'vitest'
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
