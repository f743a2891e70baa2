/** A dashed line from the top of a chart to its bottom, in the colour that is set. */

import type { Mapping } from './draw'

export function upright(context: CanvasRenderingContext2D, map: Mapping, x: number, dash: number): void {
  const { ratio, top, height } = map
  context.lineWidth = ratio
  context.setLineDash([dash * ratio, 3 * ratio])
  context.beginPath()
  context.moveTo(x, top)
  context.lineTo(x, top + height)
  context.stroke()
  context.setLineDash([])
}
