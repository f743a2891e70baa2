/** Draws the notes of a scene: a line at the step, a flag, and the beginning of the text. */

import type { Mapping, Style } from './draw'
import { rowsOf } from './notes'
import { beyond, type Scene } from './scene'
import { upright } from './upright'

const FONT_PX = 10.5
const ROW_PX = 15
const ROWS_MAX = 3
const CHARS_MAX = 28
/** Narrower charts have room for flags only. */
const TEXT_WIDTH_MIN = 180

export function drawNotes(
  context: CanvasRenderingContext2D, scene: Scene, map: Mapping, style: Style,
): void {
  const { ratio, left, top, width } = map
  const right = left + width
  const seen = scene.notes.filter(({ x }) => x >= scene.x[0] && x <= scene.x[1])
  if (!seen.length) return
  // Below what says how many points lie above the axis.
  const above = (beyond(scene.above) ? 26 : 4) * ratio
  const colors = new Map(scene.lines.map((line) => [line.id, style.color(line)]))
  context.font = `${FONT_PX * ratio}px ${style.font}`
  context.textBaseline = 'middle'
  context.textAlign = 'left'
  const places = seen.map((mark) => {
    const text = mark.text.length > CHARS_MAX ? `${mark.text.slice(0, CHARS_MAX - 1)}…` : mark.text
    const x = Math.round(map.toX(mark.x))
    const wide = context.measureText(text).width + 8 * ratio
    // At the right edge the text stands before its line.
    const start = x + wide > right ? x - wide - 2 * ratio : x + 2 * ratio
    return { mark, text, x, wide, start }
  })
  const rows = rowsOf(places.map(({ start, wide }) => ({ left: start, right: start + wide })), ROWS_MAX)
  places.forEach(({ mark, text, x, wide, start }, index) => {
    const color = colors.get(mark.line) ?? style.muted
    context.globalAlpha = style.lit !== null && style.lit !== mark.line ? 0.25 : 1
    context.strokeStyle = color
    context.fillStyle = color
    upright(context, map, x, 4)
    const y = top + (Math.max(0, rows[index]) + 0.5) * ROW_PX * ratio + above
    if (rows[index] < 0 || width < TEXT_WIDTH_MIN * ratio || start < left) {
      context.fillRect(x - 3 * ratio, top, 6 * ratio, 6 * ratio)
    } else {
      const strength = context.globalAlpha
      context.globalAlpha = 0.8 * strength
      context.fillStyle = style.paper
      context.fillRect(start, y - ROW_PX * ratio / 2, wide, ROW_PX * ratio)
      context.globalAlpha = strength
      context.fillStyle = color
      context.fillRect(start, y - ROW_PX * ratio / 2, 2 * ratio, ROW_PX * ratio)
      context.fillStyle = style.text
      context.fillText(text, start + 5 * ratio, y)
    }
    context.globalAlpha = 1
  })
}
