import { expect, test } from 'vitest'
import { heardMarks, marksAt, rowsOf } from './notes'
import { build, spoken, type SceneOptions } from './scene'
import { chartOf } from './testing'
import type { PlacedNote } from './types'

const OPTIONS: SceneOptions = {
  axis: 'step', scale: 'linear', from: null, to: null, base: '', groupOf: null, groups: [],
  band: 'range', labelOf: (run) => run.toUpperCase(), slotOf: () => 0, drawn: () => true,
  notesOf: () => [],
}

const note = (step: number, text: string, more: Partial<PlacedNote> = {}): PlacedNote =>
  ({ id: text, metric: null, step, text, created_ms: 0, created_by: '', x: step, ...more })

test('a chart has the notes of its runs that are about it, in order', () => {
  const notes: Record<string, PlacedNote[]> = {
    a: [note(9, 'late'), note(2, 'mine', { metric: 'train/loss' }), note(3, 'other', { metric: 'acc' })],
    b: [note(5, 'right\u202eleft'), note(7, 'nowhere', { x: null })], gone: [note(1, 'gone')],
  }
  const frame = chartOf({ a: [[0, 1], [9, 2]], b: [[0, 1]] })
  const options = { ...OPTIONS, notesOf: (run: string) => notes[run] ?? [] }
  const scene = build(frame, options)
  expect(scene.notes.map(({ x, text, label }) => [x, text, label])).toEqual([
    [2, 'mine', 'A'], [5, 'right⟨202E⟩left', 'B'], [9, 'late', 'A'],
  ])
  expect(spoken(scene)).toContain('3 notes: step 2 of A: mine; step 5 of B: right⟨202E⟩left; step 9 of A: late.')
  const grouped = build(frame, { ...options, groups: ['g'], groupOf: () => 'g' })
  expect(grouped.notes.map(({ line }) => line)).toEqual(['g', 'g', 'g'])
  expect(marksAt(scene.notes, 4, 1).map((mark) => mark.text)).toEqual(['right⟨202E⟩left'])
  expect(heardMarks(Array.from({ length: 7 }, () => scene.notes[0]))).toMatch(/^7 notes: .*; …$/)
})

test('texts cover no others, or are not written', () => {
  const spans = [[0, 50], [10, 60], [20, 70], [55, 90]].map(([left, right]) => ({ left, right }))
  expect(rowsOf(spans, 2)).toEqual([0, 1, -1, 0])
  expect(rowsOf([], 2)).toEqual([])
})
