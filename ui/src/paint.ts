/** The theme's colours for the canvas, which does not see style sheets. */

import type { PlotStyle } from './plot'
import { color, dash, shapes, type Theme } from './palette'
import type { Line, Scene } from './scene'

const PAPER: Record<Theme, { paper: string; text: string; muted: string; grid: string }> = {
  light: { paper: '#ffffff', text: '#17201e', muted: '#596562', grid: '#edefee' },
  dark: { paper: '#14191c', text: '#e6eceb', muted: '#94a2a3', grid: '#1e262a' },
}

export const FONT = "'Inter Variable', ui-sans-serif, system-ui, sans-serif"

export function colors(theme: Theme) {
  return { ...PAPER[theme], font: FONT }
}

/** The line that is lit: the run's own, or that of the group it is in. */
export function litLine(scene: Scene, lit: string | null): string | null {
  if (lit === null) return null
  const found = scene.lines.find(
    (line) => line.id === lit || line.members.some((member) => member.id === lit),
  )
  return found?.id ?? null
}

export function paint(
  from: { theme: Theme; lit: string | null }, scene: Scene, near: string | null = null,
): PlotStyle {
  const { theme, lit } = from
  const marks = shapes(scene.lines.map((line) => line.slot))
  return {
    ...PAPER[theme],
    font: FONT,
    lit: litLine(scene, lit),
    near,
    color: (line: Line) => color(line.slot, theme),
    dash: (line: Line) => dash(line.slot),
    shape: (line: Line) => marks.get(line.slot) ?? 0,
  }
}
