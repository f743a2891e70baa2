/**
 * How values stand on the y-axis: as they are, as their logarithms, or as their arcsinh. All within
 * what float64 has: from 5e-324 to 1.8e308, and without a quotient that overflows.
 */

import type { Scene } from './scene'

/** Beyond it asinh is the logarithm of twice its argument, to the last bit. */
const FAR = 1e9

export function arcsinh(y: number, threshold: number): number {
  const ratio = y / threshold
  if (Math.abs(ratio) < FAR) return Math.asinh(ratio)
  return Math.sign(y) * (Math.log(Math.abs(y)) - Math.log(threshold) + Math.LN2)
}

/** The value that has this arcsinh. */
export function unarcsinh(bent: number, threshold: number): number {
  if (Math.abs(bent) < 20) return Math.sinh(bent) * threshold
  return Math.sign(bent) * Math.exp(Math.abs(bent) - Math.LN2 + Math.log(threshold))
}

/** Where a value stands, from 0 at the bottom of a scene to 1 at its top; NaN: nowhere. */
export function placer({ scale, threshold, y }: Pick<Scene, 'scale' | 'threshold' | 'y'>): (value: number) => number {
  const bent = (each: number) => scale === 'log' ? (each > 0 ? Math.log10(each) : NaN)
    : scale === 'arcsinh' ? arcsinh(each, threshold) : each
  const [low, high] = [bent(y[0]), bent(y[1])]
  // Halves first: the span of ±8e307 is no float64.
  return (each) => (bent(each) / 2 - low / 2) / (high / 2 - low / 2)
}
