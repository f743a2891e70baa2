/** Which line the pointer means. */

import type { Mapping } from './draw'
import { nearest, type Line, type Scene } from './scene'

export interface Hit {
  line: Line
  row: number
}

/** The line nearest to a place in the plot: inside an envelope counts as near. */
export function hit(scene: Scene, map: Mapping, x: number, pixelY: number): Hit | null {
  let best: Hit | null = null
  let bestAway = Infinity
  const pixelX = map.toX(x)
  for (const line of scene.lines) {
    const row = nearest(line.x, x)
    if (row < 0) continue
    const across = Math.abs(map.toX(line.x[row]) - pixelX)
    const middle = map.toY(line.middle[row])
    // A bucket without a number has its mark at the bottom.
    const y = Number.isNaN(middle) ? map.top + map.height : middle
    let away = Math.abs(y - pixelY)
    const [high, low] = [map.toY(line.max[row]), map.toY(line.min[row])]
    if (pixelY >= high && pixelY <= low) away = Math.min(away, 6 + away / 8)
    // A series that ends far from here is not meant.
    if (across > 24) away += across
    if (away < bestAway) {
      bestAway = away
      best = { line, row }
    }
  }
  return best
}
