console.log(require('./build/Release/greeting.node').greet())
