import { createHash } from 'node:crypto'
import { createCanvas } from 'canvas'

const FONT = '16px "DejaVu Sans"'
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** A bar chart of `[{ day, visits }]` as a PNG. */
export function drawChart(days) {
  const canvas = createCanvas(80 + 120 * Math.max(days.length, 1), 240)
  const context = paper(canvas)
  const most = Math.max(1, ...days.map(({ visits }) => visits))

  context.fillText(days.length > 0 ? 'Visits per day' : 'No visits yet', 20, 30)
  days.forEach(({ day, visits }, index) => {
    const left = 40 + 120 * index
    const height = Math.round((140 * visits) / most)
    context.fillStyle = 'steelblue'
    context.fillRect(left, 200 - height, 80, height)
    context.fillStyle = 'black'
    context.fillText(day, left - 5, 222)
    context.fillText(String(visits), left + 30, 195 - height)
  })
  return canvas.toBuffer('image/png')
}

/**
 * What drawn text looks like here. Without fonts every letter is the same box, or nothing at all:
 * the number of letters that look different tells, and so does the ink.
 */
export function textFacts() {
  const canvas = createCanvas(24, 24)
  const context = paper(canvas)
  const looks = new Set()
  let ink = 0
  for (const letter of ALPHABET) {
    context.fillStyle = 'white'
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.fillStyle = 'black'
    context.fillText(letter, 3, 19)
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
    looks.add(createHash('sha256').update(data).digest('hex'))
    ink += darkPixels(data)
  }
  return { letters: ALPHABET.length, distinct: looks.size, ink }
}

/** How many pixels of RGBA `data` are darker than half grey. */
export function darkPixels(data) {
  let dark = 0
  for (let index = 0; index < data.length; index += 4) {
    if (data[index] + data[index + 1] + data[index + 2] < 3 * 128) dark += 1
  }
  return dark
}

function paper(canvas) {
  const context = canvas.getContext('2d')
  context.fillStyle = 'white'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.fillStyle = 'black'
  context.font = FONT
  return context
}
