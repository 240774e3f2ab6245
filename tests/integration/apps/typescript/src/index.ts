declare const require: (name: string) => any

const days: number = require('ms')('2 days')

const { basePath } = require('../next.config')

console.log(JSON.stringify({ two: days, hook: require('../hook.json'), basePath }))
