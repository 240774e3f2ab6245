console.log(require('left-pad')('web', 5))
