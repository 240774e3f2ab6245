declare const require: (name: string) => any

const ms = require('ms')

export const version: string = require('ms/package.json').version

export function inMilliseconds(text: string): number {
  return ms(text)
}
