import { describe, expect, test } from 'vitest'
import { color, DARK, dash, hash, LIGHT, rampSlot, shapes, slotOf, type Theme } from './palette'

/** Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB. */
const BLINDNESS: Record<string, number[][]> = {
  none: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}

function linear(hex: string): number[] {
  return [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
}

function oklab([r, g, b]: number[]): number[] {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ]
}

function seen(hex: string, matrix: number[][]): number[] {
  const rgb = linear(hex)
  return oklab(matrix.map((row) =>
    Math.min(1, Math.max(0, row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]))))
}

const luminance = (hex: string) => {
  const [r, g, b] = linear(hex)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

describe.each([['light', LIGHT, '#ffffff'], ['dark', DARK, '#14181b']])('%s', (name, colors, paper) => {
  test.each(Object.keys(BLINDNESS))('any two hues differ for %s eyes', (kind) => {
    const points = colors.map((each) => seen(each, BLINDNESS[kind]))
    for (let one = 0; one < points.length; one += 1) {
      for (let other = 0; other < one; other += 1) {
        const apart = Math.hypot(...points[one].map((part, at) => part - points[other][at]))
        expect(apart, `${colors[one]} and ${colors[other]}`).toBeGreaterThan(0.09)
      }
    }
  })

  test('on the ramp a greater number has more contrast to the paper, for all eyes', () => {
    const parts = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    const ramp = parts.map((part) => color(rampSlot(part), name as Theme))
    for (const matrix of Object.values(BLINDNESS)) {
      const away = ramp.map((each) => Math.abs(seen(each, matrix)[0] - seen(paper, matrix)[0]))
      for (let index = 1; index < away.length; index += 1) expect(away[index]).toBeGreaterThan(away[index - 1])
    }
    for (const each of ramp) {
      const [high, low] = [luminance(each), luminance(paper)].sort((a, b) => b - a)
      expect((high + 0.05) / (low + 0.05), each).toBeGreaterThanOrEqual(3)
    }
  })

  test('every line has a contrast of 3 to 1', () => {
    for (const each of colors) {
      const [high, low] = [luminance(each), luminance(paper)].sort((a, b) => b - a)
      expect((high + 0.05) / (low + 0.05), each).toBeGreaterThanOrEqual(3)
    }
  })
})

test('a colour belongs to the run, whatever else is there', () => {
  expect(slotOf({ name: 'a', ordinal: 9 })).toBe(9)
  expect(slotOf({ name: 'a' })).toBe(hash('a'))
  expect(color(8, 'light')).toBe(color(0, 'light'))
  expect(dash(8)).not.toEqual(dash(0))
})

test('a shape tells lines apart that have one colour and one dash', () => {
  expect([...shapes([0, 1, 8, 31]).values()]).toEqual([0, 0, 0, 0])
  expect([...shapes([3, 35, 67, 4]).values()]).toEqual([1, 2, 3, 0])
  // Lines of one value are meant to look alike.
  expect([...shapes([3, 3, 3]).values()]).toEqual([0])
  expect([...shapes([rampSlot(0), rampSlot(0.001), rampSlot(1)]).values()]).toEqual([0, 0, 0])
})
