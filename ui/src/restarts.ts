/** Where a resumed run went back: dotted lines from the top, those close together as one with a count. */

import type { Mapping } from './draw'
import { upright } from './upright'

const APART_PX = 12
/** The server tells of no more. */
const KNOWN_MAX = 100

export interface Cluster {
  at: number
  many: number
}

/** Places that are closer than `apart` to the one before them, as one at the first of them. */
export function clusters(places: number[], apart: number): Cluster[] {
  const found: Cluster[] = []
  let last = -Infinity
  for (const place of [...places].sort((one, other) => one - other)) {
    if (place - last < apart) found[found.length - 1].many += 1
    else found.push({ at: place, many: 1 })
    last = place
  }
  return found
}

export function drawRestarts(
  context: CanvasRenderingContext2D, restarts: number[], map: Mapping, strength: number, font: string,
): void {
  if (!restarts.length) return
  const { ratio, top, left, width } = map
  const seen = restarts.map(map.toX).filter((x) => x >= left && x <= left + width)
  for (const { at, many } of clusters(seen, APART_PX * ratio)) {
    const x = Math.round(at)
    context.globalAlpha = 0.5 * strength
    upright(context, map, x, 2)
    if (many < 2) continue
    context.globalAlpha = strength
    context.font = `${10 * ratio}px ${font}`
    context.textBaseline = 'top'
    const text = `${many}${restarts.length >= KNOWN_MAX ? '+' : ''} restarts`
    const fits = x + context.measureText(text).width + 4 * ratio <= left + width
    context.textAlign = fits ? 'left' : 'right'
    context.fillText(text, x + (fits ? 3 : -3) * ratio, top + 2 * ratio)
  }
}
