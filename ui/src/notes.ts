/** Notes as marks on the x axis of a chart. */

import { count, plural, visible } from './format'
import type { Line } from './scene'
import type { PlacedNote } from './types'

export interface Mark {
  x: number
  step: number
  text: string
  /** The run's name as it is shown, and the line that it is drawn in. */
  label: string
  line: string
}

/** The notes of the runs of lines, of one metric or of all, in order along x. */
export function marksOf(
  lines: Line[], metric: string, notesOf: (run: string) => PlacedNote[], labelOf: (run: string) => string,
): Mark[] {
  const marks = lines.flatMap((line) => {
    const runs = line.members.length ? line.members.map((member) => member.id) : [line.id]
    return runs.flatMap((run) => notesOf(run).flatMap((note) =>
      note.x !== null && (note.metric === null || note.metric === metric)
        ? [{ x: note.x, step: note.step, text: visible(note.text), label: labelOf(run), line: line.id }]
        : []))
  })
  return marks.sort((one, other) => one.x - other.x)
}

/** Those that are meant by a place on the x axis. */
export function marksAt(marks: Mark[], x: number, reach: number): Mark[] {
  return marks.filter((mark) => Math.abs(mark.x - x) <= reach)
}

export function markText({ step, text, label }: Mark): string {
  return `step ${count(step)} of ${visible(label)}: ${text}`
}

export function heardMarks(marks: Mark[]): string {
  const first = marks.slice(0, 5).map(markText)
  return `${plural(marks.length, 'note')}: ${first.join('; ')}${marks.length > first.length ? '; …' : ''}`
}

/**
 * Places for texts beside their marks, in pixels: each on the first of a few rows where it covers no
 * other; -1 where none has room, and the mark stands alone.
 */
export function rowsOf(spans: { left: number; right: number }[], rows: number): number[] {
  const ends = Array.from({ length: rows }, () => -Infinity)
  return spans.map(({ left, right }) => {
    const row = ends.findIndex((end) => end <= left)
    if (row >= 0) ends[row] = right
    return row
  })
}
