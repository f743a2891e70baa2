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

/** For numbers, from the least to the greatest: ever darker on white, ever lighter on black. */
const RAMPS: Record<Theme, string[]> = {
  light: ['#c97a1f', '#bb3f6b', '#6a2c91', '#1d1147'],
  dark: ['#4a61d8', '#a761c9', '#ee8086', '#fbe38c'],
}
const RAMP_STEPS = 1000

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

/** The slot of a place on the ramp, from 0 to 1: below zero, where no run has one. */
export function rampSlot(part: number): number {
  return -1 - Math.round(Math.min(1, Math.max(0, part)) * RAMP_STEPS)
}

function onRamp(slot: number, theme: Theme): string {
  const stops = RAMPS[theme]
  const at = ((-1 - slot) / RAMP_STEPS) * (stops.length - 1)
  const first = Math.min(Math.floor(at), stops.length - 2)
  const part = (hex: string, index: number) => parseInt(hex.slice(1 + 2 * index, 3 + 2 * index), 16)
  const mixed = [0, 1, 2].map((index) => {
    const [from, to] = [part(stops[first], index), part(stops[first + 1], index)]
    return Math.round(from + (at - first) * (to - from)).toString(16).padStart(2, '0')
  })
  return `#${mixed.join('')}`
}

export function color(slot: number, theme: Theme): string {
  if (slot < 0 && slot >= -1 - RAMP_STEPS) return onRamp(slot, theme)
  const colors = theme === 'dark' ? DARK : LIGHT
  return colors[((slot % colors.length) + colors.length) % colors.length]
}

export function dash(slot: number): number[] {
  if (slot < 0) return DASHES[0]
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

/** Marks along lines that have one colour and one dash, though they are not the same. */
export const SHAPES = ['', '●', '■', '▲', '◆'] as const

/** The shape of each of some lines: 0, none, unless another one looks like it. */
export function shapes(slots: number[]): Map<number, number> {
  const looks = LIGHT.length * DASHES.length
  const alike = new Map<number, number>()
  const known = new Set(slots)
  for (const slot of known) if (slot >= 0) alike.set(slot % looks, (alike.get(slot % looks) ?? 0) + 1)
  return new Map([...known].map((slot) => {
    const twins = slot < 0 ? 1 : alike.get(slot % looks)!
    return [slot, twins > 1 ? 1 + (Math.floor(slot / looks) % (SHAPES.length - 1)) : 0]
  }))
}
