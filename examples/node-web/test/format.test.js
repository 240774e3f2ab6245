import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatNumber, formatTime, parseNumber, parseTime } from '../src/format.js'

const NOON = new Date('2024-02-29T12:00:00Z')

test('a time is written in the words of a locale and the hours of a zone', () => {
  assert.equal(formatTime(NOON, 'de-DE', 'Europe/Berlin'), 'Donnerstag, 29. Februar 2024 um 13:00')
  assert.match(formatTime(NOON, 'en-GB', 'Asia/Kathmandu'), /^Thursday.* 29 February 2024.* 17:45$/)
})

test('a number is written with the separators of a locale', () => {
  assert.equal(formatNumber(1234567.89, 'de-DE'), '1.234.567,89')
  assert.equal(formatNumber(1234567.89, 'hi-IN'), '12,34,567.89')
})

test('what is no time and no number is refused', () => {
  assert.deepEqual(parseTime('2024-02-29T12:00:00Z'), NOON)
  assert.throws(() => parseTime('yesterday'), RangeError)
  assert.equal(parseNumber('12.5'), 12.5)
  assert.throws(() => parseNumber(' '), RangeError)
  assert.throws(() => parseNumber('twelve'), RangeError)
})
