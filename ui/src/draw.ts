/** Draws a scene's lines on a canvas. Knows no chart library: only a mapping to pixels. */

import { placer } from './bend'
import { drawNotes } from './drawnotes'
import { drawRestarts } from './restarts'
import { beyond, type Line, type Scene } from './scene'
import { upright } from './upright'

export interface Mapping {
  left: number
  top: number
  width: number
  height: number
  /** Device pixels of a CSS pixel. */
  ratio: number
  toX: (x: number) => number
  toY: (y: number) => number
  /** A logarithm has no place for what is not above zero. */
  log: boolean
}

export interface Style {
  color: (line: Line) => string
  dash: (line: Line) => number[]
  /** Number of a mark along the line; 0: none. */
  shape: (line: Line) => number
  paper: string
  text: string
  font: string
  muted: string
  /** The line that is lit, the others dimmed. */
  lit: string | null
  /** The line that the pointer is at: bolder, and the members of its group. */
  near: string | null
}

/** Where a value stands, clamped to just outside of the plot, so that no canvas sees 1e300. */
export function mapping(
  scene: Scene, box: { left: number; top: number; width: number; height: number }, ratio: number,
): Mapping {
  const [x0, x1] = scene.x
  const place = placer(scene)
  const clamp = (part: number) => Math.max(-9, Math.min(10, part))
  return {
    ...box,
    ratio,
    log: scene.scale === 'log',
    toX: (x) => box.left + clamp((x - x0) / (x1 - x0)) * box.width,
    toY: (y) => box.top + (1 - clamp(place(y))) * box.height,
  }
}

export function drawScene(
  context: CanvasRenderingContext2D, scene: Scene, map: Mapping, style: Style,
): void {
  context.save()
  context.beginPath()
  // Whole pixels: a clip with soft edges costs every line of it.
  const [left, top] = [Math.floor(map.left), Math.floor(map.top)]
  context.rect(left, top, Math.ceil(map.left + map.width) - left, Math.ceil(map.top + map.height) - top)
  context.clip()
  context.lineJoin = 'round'
  const lit = scene.lines.filter((line) => line.id === style.lit)
  const others = scene.lines.filter((line) => line.id !== style.lit)
  const crowd = scene.lines.length
  if (scene.noise) drawNoise(context, scene.noise, map, style)
  for (const line of others) drawLine(context, line, map, style, lit.length > 0, crowd)
  const front = lit.length ? lit : scene.lines.filter((line) => line.id === style.near)
  for (const line of front) {
    for (const member of line.members) drawMember(context, member, map, style.color(line))
    drawLine(context, line, map, style, false, 1, true)
  }
  for (const line of scene.lines) drawBad(context, scene, line, map, style)
  drawBeyond(context, scene, map, style)
  drawNotes(context, scene, map, style)
  context.restore()
}

/** Arrows at the border, where something lies beyond it. */
function drawBeyond(
  context: CanvasRenderingContext2D, scene: Scene, map: Mapping, style: Style,
): void {
  const size = 3.5 * map.ratio
  const [low, high] = scene.y
  const arrows = (out: (line: Line, row: number) => boolean, edge: number, way: number) => {
    const taken = new Set<number>()
    for (const line of scene.lines) {
      context.fillStyle = style.color(line)
      for (let row = 0; row < line.x.length; row += 1) {
        if (!out(line, row)) continue
        const x = map.toX(line.x[row])
        const place = Math.round(x / (2 * size))
        if (taken.has(place)) continue
        taken.add(place)
        context.beginPath()
        context.moveTo(x, edge)
        context.lineTo(x + size, edge + way * 1.7 * size)
        context.lineTo(x - size, edge + way * 1.7 * size)
        context.fill()
      }
    }
  }
  if (beyond(scene.above)) arrows((line, row) => line.max[row] > high, map.top, 1)
  if (beyond(scene.below)) arrows((line, row) => line.min[row] < low, map.top + map.height, -1)
}

function drawLine(
  context: CanvasRenderingContext2D, line: Line, map: Mapping, style: Style,
  dim: boolean, crowd: number, lit = false,
): void {
  const { ratio } = map
  const crowded = crowd > 40
  const color = style.color(line)
  context.strokeStyle = color
  context.fillStyle = color
  const strength = dim ? 0.16 : crowded ? 0.7 : 1
  if (line.wide) drawEnvelope(context, line, map, strength, crowd)
  drawRestarts(context, line.restarts, map, strength, style.font)
  if (line.raw) {
    context.globalAlpha = 0.28 * strength
    context.lineWidth = ratio
    trace(context, line.x, line.raw, map)
  }
  context.globalAlpha = strength
  context.lineWidth = (lit ? 2.25 : crowded ? 1 : 1.5) * ratio
  const dash = style.dash(line)
  if (dash.length) context.setLineDash(dash.map((part) => part * ratio))
  trace(context, line.x, line.middle, map)
  if (dash.length) context.setLineDash([])
  drawLonely(context, line, map, crowded, lit)
  const shape = style.shape(line)
  if (shape) drawShapes(context, line, map, shape)
  context.globalAlpha = 1
}

/** Path through the rows, broken where a bucket has no number. */
function trace(
  context: CanvasRenderingContext2D, x: Float64Array, values: Float64Array, map: Mapping,
): void {
  context.beginPath()
  let open = false
  for (let row = 0; row < x.length; row += 1) {
    const y = map.toY(values[row])
    if (Number.isNaN(y)) {
      open = false
      continue
    }
    if (open) context.lineTo(map.toX(x[row]), y)
    else context.moveTo(map.toX(x[row]), y)
    open = true
  }
  context.stroke()
}

/** The exact least and most of each bucket: an edge, since a thin band barely shows a spike. */
function drawEnvelope(
  context: CanvasRenderingContext2D, line: Line, map: Mapping, strength: number, crowd: number,
): void {
  const rows = line.x.length
  const low = (row: number) => {
    const y = map.toY(line.min[row])
    return Number.isNaN(y) && !Number.isNaN(line.max[row]) ? map.top + map.height * 2 : y
  }
  let start = 0
  while (start < rows) {
    while (start < rows && Number.isNaN(map.toY(line.max[start]))) start += 1
    let stop = start
    while (stop < rows && !Number.isNaN(map.toY(line.max[stop]))) stop += 1
    if (stop > start) {
      const band = new Path2D()
      const edge = new Path2D()
      for (let row = start; row < stop; row += 1) {
        const x = map.toX(line.x[row])
        const y = map.toY(line.max[row])
        if (row === start) {
          band.moveTo(x, y)
          edge.moveTo(x, y)
        } else {
          band.lineTo(x, y)
          edge.lineTo(x, y)
        }
      }
      for (let row = stop - 1; row >= start; row -= 1) {
        const x = map.toX(line.x[row])
        const y = low(row)
        band.lineTo(x, y)
        if (row === stop - 1) edge.moveTo(x, y)
        else edge.lineTo(x, y)
      }
      // A bucket alone would have no width.
      if (stop - start === 1) {
        edge.moveTo(map.toX(line.x[start]), map.toY(line.max[start]))
        edge.lineTo(map.toX(line.x[start]), low(start))
      }
      context.globalAlpha = Math.max(0.02, Math.min(0.14, 0.4 / crowd)) * strength
      context.fill(band)
      context.globalAlpha = Math.max(0.16, Math.min(0.5, 2 / crowd)) * strength
      context.lineWidth = 0.75 * map.ratio
      context.stroke(edge)
    }
    start = stop + 1
  }
}

/** How far runs of one kind are apart: a grey band behind the lines. */
function drawNoise(
  context: CanvasRenderingContext2D, noise: Line, map: Mapping, style: Style,
): void {
  context.strokeStyle = style.muted
  context.fillStyle = style.muted
  drawEnvelope(context, noise, map, 1.4, 1)
}

/**
 * A point between two breaks, or alone in its series, is a dot; so is each of a few, unless there are
 * so many lines that dots would hide them (and take three times as long as they do).
 */
function drawLonely(
  context: CanvasRenderingContext2D, line: Line, map: Mapping, crowded: boolean, lit: boolean,
): void {
  const few = line.x.length <= 12 && !line.wide && (!crowded || lit)
  const gap = (row: number) => !(row >= 0 && row < line.x.length) || Number.isNaN(line.middle[row])
    || (map.log && line.middle[row] <= 0)
  const size = (lit ? 3 : few ? 2.25 : 2) * map.ratio
  for (let row = 0; row < line.x.length; row += 1) {
    if (!few && !(gap(row - 1) && gap(row + 1))) continue
    const y = map.toY(line.middle[row])
    if (Number.isNaN(y)) continue
    context.beginPath()
    context.arc(map.toX(line.x[row]), y, size, 0, 7)
    context.fill()
  }
}

/** Marks along a line, each line's at other places; in one path, since hundreds of lines have them. */
function drawShapes(
  context: CanvasRenderingContext2D, line: Line, map: Mapping, shape: number,
): void {
  const size = 3.5 * map.ratio
  const apart = 64 * map.ratio
  let next = map.left + ((line.slot * 23) % 64) * map.ratio
  context.beginPath()
  for (let row = 0; row < line.x.length; row += 1) {
    const [x, y] = [map.toX(line.x[row]), map.toY(line.middle[row])]
    if (x < next || Number.isNaN(y)) continue
    while (next <= x) next += apart
    if (shape === 1) {
      context.moveTo(x + size, y)
      context.arc(x, y, size, 0, 7)
    } else if (shape === 2) context.rect(x - size, y - size, 2 * size, 2 * size)
    else if (shape === 3) {
      context.moveTo(x, y - 1.2 * size)
      context.lineTo(x + 1.2 * size, y + size)
      context.lineTo(x - 1.2 * size, y + size)
    } else rhombus(context, x, y, 1.3 * size)
  }
  context.fill()
}

function drawMember(
  context: CanvasRenderingContext2D, line: Line, map: Mapping, color: string,
): void {
  context.strokeStyle = color
  context.globalAlpha = 0.55
  context.lineWidth = 0.75 * map.ratio
  trace(context, line.x, line.middle, map)
  context.globalAlpha = 1
}

/** NaN and infinities: a strip where they are, and a flag where they began. */
function drawBad(
  context: CanvasRenderingContext2D, scene: Scene, line: Line, map: Mapping, style: Style,
): void {
  const { ratio } = map
  const bottom = map.top + map.height
  context.fillStyle = style.color(line)
  context.globalAlpha = style.lit !== null && style.lit !== line.id ? 0.25 : 1
  if (line.bad) {
    for (let row = 0; row < line.x.length; row += 1) {
      const from = map.toX(scene.start + line.bucket[row] * scene.width)
      const wide = Math.max(2 * ratio, map.toX(scene.start + (line.bucket[row] + 1) * scene.width) - from)
      const low = line.bad.nan[row] || line.bad.below[row]
      if (low) context.fillRect(from, bottom - 3 * ratio, wide, 3 * ratio)
      if (line.bad.above[row]) context.fillRect(from, map.top, wide, 3 * ratio)
    }
  }
  if (line.firstBad) {
    const x = map.toX(line.firstBad.x)
    context.strokeStyle = style.color(line)
    upright(context, map, x, 1)
    const y = line.firstBad.up ? map.top + 7 * ratio : bottom - 7 * ratio
    context.fillStyle = style.paper
    diamond(context, x, y, 6.5 * ratio)
    context.fillStyle = style.color(line)
    diamond(context, x, y, 5 * ratio)
  }
  context.globalAlpha = 1
}

function diamond(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.beginPath()
  rhombus(context, x, y, size)
  context.fill()
}

function rhombus(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.moveTo(x, y - size)
  context.lineTo(x + size, y)
  context.lineTo(x, y + size)
  context.lineTo(x - size, y)
}
