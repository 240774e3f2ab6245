import Database from 'better-sqlite3'

/** The visits kept in the database `file`, which is created where there is none. */
export function openVisits(file) {
  const database = new Database(file)
  database.pragma('journal_mode = WAL')
  database.exec('CREATE TABLE IF NOT EXISTS visit (at INTEGER NOT NULL)')

  const insert = database.prepare('INSERT INTO visit (at) VALUES (?)')
  const count = database.prepare('SELECT count(*) FROM visit').pluck()
  const localTime = database.prepare("SELECT datetime(?, 'unixepoch', 'localtime')").pluck()
  const perDay = database.prepare(`
    SELECT date(at, 'unixepoch') AS day, count(*) AS visits
    FROM visit GROUP BY day ORDER BY day DESC LIMIT ?`)

  return {
    /** Record a visit and return how many there are. */
    add(time) {
      insert.run(seconds(time))
      return count.get()
    },
    count: () => count.get(),
    /** The local time of the C library, whose zones are not those of Intl. */
    localTime: (time) => localTime.get(seconds(time)),
    /** The last `days` days that had visits, oldest first. */
    perDay: (days) => perDay.all(days).reverse(),
    close: () => database.close()
  }
}

function seconds(time) {
  return Math.floor(time.getTime() / 1000)
}
