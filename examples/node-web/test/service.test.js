import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PNG } from 'pngjs'
import { createApp } from '../src/app.js'
import { darkPixels } from '../src/chart.js'
import { openVisits } from '../src/visits.js'

const visits = openVisits(':memory:')
let server
let address

before(async () => {
  server = createApp(visits).listen(0)
  await new Promise((resolve) => server.once('listening', resolve))
  address = `http://localhost:${server.address().port}`
})

after(() => {
  server.close()
  server.closeAllConnections()
  visits.close()
})

test('every visit counts', async () => {
  const first = await (await fetch(`${address}/`)).json()
  const second = await (await fetch(`${address}/`)).json()
  assert.equal(second.visits, first.visits + 1)
})

test('letters are drawn, and look different', async () => {
  const { drawing } = await (await fetch(`${address}/`)).json()
  assert.equal(drawing.distinct, drawing.letters)
  assert.ok(drawing.ink > 500)
})

test('the chart is a picture with ink on it', async () => {
  const answer = await fetch(`${address}/chart.png`)
  assert.equal(answer.headers.get('content-type'), 'image/png')
  const { height, data } = PNG.sync.read(Buffer.from(await answer.arrayBuffer()))
  assert.equal(height, 240)
  assert.ok(darkPixels(data) > 200)
})

test('people get a page, mistakes a reason', async () => {
  const page = await fetch(`${address}/`, { headers: { accept: 'text/html' } })
  assert.match(await page.text(), /<img src="\/chart.png"/)
  assert.equal((await fetch(`${address}/?at=never`)).status, 400)
  assert.equal((await fetch(`${address}/fetch?url=http://localhost`)).status, 400)
  assert.equal((await fetch(`${address}/fetch?url=nonsense`)).status, 400)
})

test('a refused connection is an answer too', async () => {
  const answer = await fetch(`${address}/fetch?url=https://localhost:1/`)
  assert.equal(answer.status, 502)
  assert.equal((await answer.json()).authorized, false)
})
