console.log(JSON.stringify({ two: require('ms')('2 days') }))
