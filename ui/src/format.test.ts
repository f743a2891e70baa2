import { expect, test } from 'vitest'
import { age, duration, value, visible } from './format'
import { linearTicks, logTicks, timeTicks } from './ticks'

test.each([
  [0, '0'], [1.5, '1.5'], [0.1 + 0.2, '0.3'], [-1234567, '−1,234,567'], [1e-300, '1e-300'.replace('-', '−')],
  [1.7e308, '1.7e308'], [NaN, 'NaN'], [-Infinity, '−Inf'], [0.00012345678, '0.00012346'], [123456.789, '123,457'], [1234.56, '1,234.6'],
])('%s is read as %s', (number, text) => {
  expect(value(number)).toBe(text)
})

test('ages have one unit, lengths two', () => {
  expect([0, 59_999, 60_000, 3_600_000, 9e8].map(age)).toEqual(['0 s', '59 s', '1 min', '1 h', '10 d'])
  expect([12, 1500, 65_000, 3_900_000].map(duration)).toEqual(['12 ms', '1.5 s', '1 min 05 s', '1 h 05 min'])
})

test('names show what would hide in them, and emoji stay whole', () => {
  expect(visible('a\u202eb')).toBe('a⟨202E⟩b')
  expect(visible('a\nb\u0000')).toBe('a⟨000A⟩b⟨0000⟩')
  expect(visible('👩‍🚀')).toBe('👩‍🚀')
  expect(visible('   ')).toBe('␣␣␣')
  expect(visible(' a b  c ')).toBe('␣a b␣␣c␣')
  expect(visible('\u00a0\u3000')).toBe('⟨00A0⟩⟨3000⟩')
  expect(visible('<b>ü</b>')).toBe('<b>ü</b>')
})

test('ticks are round, few and inside, whatever the range', () => {
  expect(linearTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
  for (const [low, high] of [[-8e307, 8e307], [0, 5e-300], [1e16, 1e16 + 8], [-3, 0.1]]) {
    const ticks = linearTicks(low, high, 6)
    expect(ticks.length).toBeGreaterThan(1)
    expect(ticks.length).toBeLessThan(15)
    for (const tick of ticks) expect(tick >= low && tick <= high).toBe(true)
  }
  expect(logTicks(1e-300, 1e300, 6).length).toBeLessThan(10)
  expect(logTicks(0.5, 30, 6)).toContain(10)
  expect(timeTicks(0, 3_600_000, 6, false)).toEqual([0, 6e5, 12e5, 18e5, 24e5, 30e5, 36e5])
})
