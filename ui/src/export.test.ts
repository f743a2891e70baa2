import { expect, test, vi } from 'vitest'
import { bucketOf, fileName, readBucket } from './export'
import { wrapped } from './picture'
import { build } from './scene'
import { python, snippets } from './snippets'
import { chartOf } from './testing'

vi.mock('./plot', () => ({ picture: () => Promise.resolve(null) }))

test('a bucket that is spelled in the address is read again, and nothing else', () => {
  const scene = build(chartOf({ 'a/"b"': [[0, 1], [5, 2]] }, 5), {
    axis: 'step', scale: 'linear', from: null, to: null, base: '', groupOf: null, groups: [],
    band: 'range',
    labelOf: (run) => run, slotOf: () => 0, drawn: () => true, notesOf: () => [],
  })
  expect(readBucket(bucketOf(scene, scene.lines[0], 1)))
    .toEqual({ run: 'a/"b"', metric: 'train/loss', start: 5, stop: 10 })
  for (const text of ['', '[', '{}', 'null', '["a","b",1]', '["a","b",2,1]', '["a","b","0",1]']) {
    expect(readBucket(text)).toBeNull()
  }
})

test('file names are safe and still say what they are', () => {
  expect(fileName('train/loss', 'csv')).toBe('train-loss.csv')
  expect(fileName('../../etc/passwd', 'png')).toBe('etc-passwd.png')
  expect(fileName('🙂', 'csv')).toBe('chart.csv')
  expect(fileName('größe', 'csv')).toBe('größe.csv')
})

test('snippets have the address of the server as Python spells it', () => {
  expect(python('http://h:1/"x"')).toBe('"http://h:1/\\"x\\""')
  for (const { code } of snippets('http://127.0.0.1:7837', 'eu-west-1', true)) {
    expect(code).toContain('http://127.0.0.1:7837')
  }
  expect(snippets('http://h', 'r', false)[0].code).toContain('stepwell keys create')
})

test('what stands below a picture is broken into lines, and never cut', () => {
  const fits = (line: string) => line.length <= 12
  expect(wrapped(['x: step', 'all', 'medians of 9 points'], ' · ', fits)).toEqual(['x: step', 'all', 'medians of 9', ' points'])
  expect(wrapped(['a', 'b', 'c'], ' · ', fits)).toEqual(['a · b · c'])
})
