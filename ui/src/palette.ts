/**
 * Colours by run, never reassigned: they come from the run's ordinal, whatever else is shown. Eight
 * hues that stay apart for colour-blind eyes (palette.test.ts measures it), then dashes.
 */

export const LIGHT = [
  '#4f63e6', '#cb833f', '#1a6161', '#e8409a', '#826714', '#470a9b', '#0d98d6', '#68260d',
]
export const DARK = [
  '#2f74f0', '#f69312', '#52c8a8', '#c765a6', '#fcdd6e', '#b091ff', '#b6e2ff', '#f04a2c',
]
export const DASHES: number[][] = [[], [7, 3], [2, 2.5], [9, 3, 2, 3]]

export type Theme = 'light' | 'dark'

/** FNV-1a: the place of a name that no ordinal is known for. */
export function hash(name: string): number {
  let mixed = 0x811c9dc5
  for (let index = 0; index < name.length; index += 1) {
    mixed = Math.imul(mixed ^ name.charCodeAt(index), 0x01000193)
  }
  return mixed >>> 0
}

export function slotOf(run: { name: string; ordinal?: number }): number {
  return run.ordinal ?? hash(run.name)
}

export function color(slot: number, theme: Theme): string {
  const colors = theme === 'dark' ? DARK : LIGHT
  return colors[((slot % colors.length) + colors.length) % colors.length]
}

export function dash(slot: number): number[] {
  return DASHES[Math.floor(slot / LIGHT.length) % DASHES.length]
}

/** The dash of a line as the fill of its swatch: one style sheet value. */
export function swatch(slot: number, theme: Theme): string {
  const paint = color(slot, theme)
  const [on, off, more, gap] = dash(slot)
  if (on === undefined) return paint
  const scale = 0.7
  const stops = more === undefined
    ? `${paint} 0 ${on * scale}px, transparent 0 ${(on + off) * scale}px`
    : `${paint} 0 ${on * scale}px, transparent 0 ${(on + off) * scale}px, ${paint} 0 ${(on + off + more) * scale}px, transparent 0 ${(on + off + more + gap) * scale}px`
  return `repeating-linear-gradient(90deg, ${stops})`
}
