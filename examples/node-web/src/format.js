/** The instant that `text` (ISO 8601) names; without it, now. */
export function parseTime(text) {
  if (text === undefined) return new Date()
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new RangeError(`not a time: ${text}`)
  return time
}

/** The number that `text` names; without it, one that shows every separator. */
export function parseNumber(text) {
  if (text === undefined) return 1234567.89
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number)) throw new RangeError(`not a number: ${text}`)
  return number
}

/** `time` in words of `locale`, in `timeZone` or else in the zone of the process. */
export function formatTime(time, locale, timeZone) {
  return new Intl.DateTimeFormat(locale, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
    timeZone
  }).format(time)
}

/** `number` with the grouping and the decimal separator of `locale`. */
export function formatNumber(number, locale) {
  return new Intl.NumberFormat(locale).format(number)
}
