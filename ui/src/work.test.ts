import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { forget, later, scrolling, soon } from './work'

// One clock for all tests: it never goes back.
beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'requestAnimationFrame', 'performance'] }))
afterAll(() => void vi.useRealTimers())

test('what nobody sees waits for the end of the scrolling', () => {
  const done: string[] = []
  const owner = {}
  later(owner, () => done.push('old'))
  later(owner, () => done.push('new'))
  for (let at = 0; at < 20; at += 1) {
    scrolling()
    vi.advanceTimersByTime(50)
  }
  expect(done).toEqual([])
  vi.advanceTimersByTime(600)
  expect(done).toEqual(['new'])
})

test('what nobody sees comes after what is drawn, and not at all when it is taken back', () => {
  const done: string[] = []
  const owner = {}
  later({}, () => done.push('unseen'))
  later(owner, () => done.push('gone'))
  soon({}, () => done.push('drawn'))
  forget(owner)
  vi.advanceTimersByTime(1000)
  expect(done).toEqual(['drawn', 'unseen'])
})

test('a piece that fails does not keep the others from being done', () => {
  const done: string[] = []
  const said = vi.spyOn(console, 'error').mockImplementation(() => {})
  soon({}, () => {
    throw new Error('drawn')
  })
  soon({}, () => done.push('drawn'))
  later({}, () => {
    throw new Error('unseen')
  })
  later({}, () => done.push('unseen'))
  vi.advanceTimersByTime(1000)
  soon({}, () => done.push('again'))
  vi.advanceTimersByTime(1000)
  expect(done).toEqual(['drawn', 'unseen', 'again'])
  expect(said.mock.calls.map(([error]) => (error as Error).message)).toEqual(['drawn', 'unseen'])
  said.mockRestore()
})
