import express from 'express'
import { drawChart, textFacts } from './chart.js'
import { formatNumber, formatTime, parseNumber, parseTime } from './format.js'
import { fetchStatus } from './outgoing.js'
import { page } from './page.js'

/** The routes of the service, over an open store of visits. */
export function createApp(visits) {
  const app = express()
  app.disable('x-powered-by')

  app.get('/', (request, response) => {
    const at = parseTime(request.query.at)
    const number = parseNumber(request.query.number)
    const facts = {
      visits: visits.add(at),
      drawing: textFacts(),
      time: {
        utc: at.toISOString(),
        kathmandu: formatTime(at, 'en-GB', 'Asia/Kathmandu'),
        berlin: formatTime(at, 'de-DE', 'Europe/Berlin'),
        process: formatTime(at, 'en-GB'),
        database: visits.localTime(at)
      },
      number: {
        german: formatNumber(number, 'de-DE'),
        hindi: formatNumber(number, 'hi-IN')
      },
      runtime: {
        node: process.versions.node,
        icu: process.versions.icu,
        zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        user: process.getuid()
      }
    }
    response.format({
      json: () => response.json(facts),
      html: () => response.send(page(facts))
    })
  })

  app.get('/chart.png', (request, response) => {
    response.type('png').send(drawChart(visits.perDay(7)))
  })

  app.get('/fetch', async (request, response) => {
    const result = await fetchStatus(request.query.url)
    response.status(result.error ? 502 : 200).json(result)
  })

  app.get('/healthz', (request, response) => {
    visits.count()
    response.type('text').send('ok\n')
  })

  app.use((error, request, response, next) => {
    const status = error instanceof TypeError || error instanceof RangeError ? 400 : 500
    if (status === 500) console.error(error)
    response.status(status).json({ error: error.message })
  })
  return app
}
