import { request } from 'node:https'

const TIMEOUT_MS = 10_000

/** Ask for `url` and say what came back, and whether the other side's certificate is trusted. */
export async function fetchStatus(url) {
  const { protocol, href } = new URL(url)
  if (protocol !== 'https:') throw new RangeError(`not an https address: ${url}`)
  try {
    return { url: href, ...(await ask(href)) }
  } catch (error) {
    return { url: href, authorized: false, error: error.code ?? error.message }
  }
}

function ask(url) {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'HEAD', timeout: TIMEOUT_MS }, (answer) => {
      const { authorized } = answer.socket
      resolve({ status: answer.statusCode, authorized, protocol: answer.socket.getProtocol() })
      answer.resume()
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)))
    outgoing.on('error', reject)
    outgoing.end()
  })
}
