'use strict'

const fs = require('fs')
const ms = require('ms')

const greeting = fs.readFileSync('src/greeting.txt', 'utf8').trim()
fs.mkdirSync('dist', { recursive: true })
fs.writeFileSync('dist/index.html', `${greeting} (${ms(172800000, { long: true })})\n`)
