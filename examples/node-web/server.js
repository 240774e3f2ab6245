import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createApp } from './src/app.js'
import { openVisits } from './src/visits.js'

const port = Number(process.env.PORT ?? 8080)
const directory = process.env.DATA_DIR ?? '/data'

mkdirSync(directory, { recursive: true })
const visits = openVisits(join(directory, 'visits.db'))
const server = createApp(visits).listen(port, (error) => {
  if (error) throw error
  console.log(`node-web listens on port ${server.address().port}, data in ${directory}`)
})

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    console.log(`${signal}: answering what is open, then leaving`)
    server.close(() => visits.close())
    server.closeIdleConnections()
  })
}
