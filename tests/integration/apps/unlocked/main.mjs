import ms from 'ms'

console.log(JSON.stringify({ two: ms('2 days') }))
