/** Where every chart stands, computed and not measured: only those near the screen are made. */

import type { Section } from './sections'
import type { View } from './view'

export const GAP = 12
export const HEAD = 38
const NEAR = 320
const SIZES: Record<View['size'], { width: number; height: number }> = {
  s: { width: 250, height: 200 },
  m: { width: 340, height: 264 },
  l: { width: 520, height: 360 },
}

export interface Grid {
  columns: number
  card: { width: number; height: number }
}

export function gridOf(width: number, size: View['size']): Grid {
  const wanted = SIZES[size]
  const columns = Math.max(1, Math.floor((width + GAP) / (wanted.width + GAP)))
  return { columns, card: { width: (width - GAP * (columns - 1)) / columns, height: wanted.height } }
}

export interface Placed {
  section: Section
  shut: boolean
  top: number
  height: number
}

export function place(sections: Section[], shut: string[], grid: Grid): Placed[] {
  let top = 0
  return sections.map((section) => {
    const closed = shut.includes(section.name)
    const rows = closed ? 0 : Math.ceil(section.metrics.length / grid.columns)
    const height = HEAD + rows * (grid.card.height + GAP)
    const placed = { section, shut: closed, top, height }
    top += height
    return placed
  })
}

/** The sections that reach the screen or come near: there may be thousands. */
export function near(placed: Placed[], scrollTop: number, height: number): Placed[] {
  return placed.filter(
    (each) => each.top + each.height > scrollTop - NEAR && each.top < scrollTop + height + NEAR,
  )
}

export interface Seen {
  metric: string
  index: number
  left: number
  top: number
}

/** The charts of a section that are on or near the screen. */
export function seen(placed: Placed, grid: Grid, scrollTop: number, height: number): Seen[] {
  if (placed.shut) return []
  const row = grid.card.height + GAP
  const start = Math.max(0, Math.floor((scrollTop - NEAR - placed.top - HEAD) / row))
  const stop = Math.ceil((scrollTop + height + NEAR - placed.top - HEAD) / row)
  const found: Seen[] = []
  const last = Math.min(placed.section.metrics.length, stop * grid.columns)
  for (let index = start * grid.columns; index < last; index += 1) {
    found.push({
      metric: placed.section.metrics[index],
      index,
      left: (index % grid.columns) * (grid.card.width + GAP),
      top: Math.floor(index / grid.columns) * row,
    })
  }
  return found
}
