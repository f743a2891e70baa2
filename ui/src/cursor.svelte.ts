/** One cursor for all charts: a place on the x axis, and the chart that it is read from. */

import { nearest, type Line, type Scene } from './scene'
import { amend, change, looking } from './view.svelte'

export interface Place {
  /** Client rectangle of the plot, and the pointer in it. */
  left: number
  right: number
  top: number
  bottom: number
  pointerX: number
  pointerY: number
}

export interface Entry {
  line: Line
  row: number
  x: number
}

class Cursor {
  x = $state<number | null>(null)
  metric = $state('')
  scene = $state.raw<Scene | null>(null)
  near = $state<string | null>(null)
  place = $state.raw<Place | null>(null)
  /** Where it was put by a key, a jump or the address, and not by a pointer between points. */
  exact = $state<number | null>(null)

  entries = $derived(this.scene && this.x !== null ? entriesAt(this.scene, this.x) : [])
}

export const cursor = new Cursor()

/** Whether the next list of points is opened to write a note. */
export const noting = { wanted: false }

/** What each line has at the bucket nearest to `x`, highest first; far ones are left out. */
export function entriesAt(scene: Scene, x: number): Entry[] {
  const far = Math.max((scene.x[1] - scene.x[0]) * 0.03, scene.width)
  const found: Entry[] = []
  for (const line of scene.lines) {
    const row = nearest(line.x, x)
    if (row < 0) continue
    const away = Math.abs(line.x[row] - x)
    const inside = x >= line.x[0] && x <= line.x[line.x.length - 1]
    if (!inside && away > far) continue
    found.push({ line, row, x: line.x[row] })
  }
  const rank = (each: Entry) => {
    const value = each.line.middle[each.row]
    return Number.isNaN(value) ? -Infinity : value
  }
  return found.sort((one, other) => rank(other) - rank(one))
}

/** Where the next or last point is, of the nearest line or of all. */
export function stepFrom(scene: Scene, near: string | null, x: number | null, by: number): number | null {
  const lines = scene.lines.filter((line) => line.x.length)
  const line = lines.find((each) => each.id === near) ?? lines[0]
  if (!line) return null
  if (x === null) return by > 0 ? line.x[0] : line.x[line.x.length - 1]
  const row = nearest(line.x, x)
  return line.x[Math.max(0, Math.min(line.x.length - 1, row + by))]
}

export function hover(scene: Scene, x: number, near: string | null, place: Place): void {
  if (looking.now.at !== null) return
  cursor.scene = scene
  cursor.metric = scene.metric
  cursor.x = x
  cursor.exact = null
  cursor.near = near
  cursor.place = place
}

export function leave(metric: string): void {
  if (looking.now.at !== null || cursor.metric !== metric) return
  clear()
}

export function clear(): void {
  cursor.x = null
  cursor.exact = null
  cursor.scene = null
  cursor.near = null
}

/** Pin the cursor where it is, or let it go. */
export function pin(): void {
  if (looking.now.at !== null) {
    change({ at: null, on_chart: '' })
    clear()
  } else if (cursor.x !== null) {
    change({ at: cursor.x, on_chart: cursor.metric })
  }
}

export function moveTo(scene: Scene, x: number, near: string | null, place: Place): void {
  cursor.scene = scene
  cursor.metric = scene.metric
  cursor.x = x
  cursor.exact = x
  const known = scene.lines.find(
    (line) => line.id === near || line.members.some((member) => member.id === near),
  )
  cursor.near = known?.id ?? entriesAt(scene, x)[0]?.line.id ?? null
  cursor.place = place
  const { at, on_chart } = looking.now
  if (at !== null && (at !== x || on_chart !== scene.metric)) amend({ at: x, on_chart: scene.metric })
}

/** What is below the cursor as lines of text, for the clipboard. */
export function asText(entries: Entry[]): string {
  const rows = entries.map(({ line, row, x }) =>
    [line.label, x, line.middle[row], line.raw?.[row] ?? line.middle[row], line.min[row],
      line.max[row], line.count[row]].join('\t'))
  return ['run\tx\tvalue\traw mean\tmin\tmax\tpoints', ...rows].join('\n')
}
