const { version } = require('ms/package.json')
const { inMilliseconds, version: itsVersion } = require('@workspace/time')

console.log(JSON.stringify({ own: version, lib: itsVersion, two: inMilliseconds('2 days') }))
