// What a handler computes, as in compute.py. Usage: compute.js MICROSECONDS, which prints how many steps take so long.
const TRIAL = 20000;
const TRIALS = 2000; // of which the first ones are interpreted, and others may interrupt some

function compute(steps) {
  let value = 1;
  for (let step = 0; step < steps; step++) value = (value * 31 + 7) % 65521;
  return value;
}

function calibrate(microseconds) {
  let fastest = Infinity;
  for (let trial = 0; trial < TRIALS; trial++) {
    const begin = process.hrtime.bigint();
    if (compute(TRIAL) < 0) throw new Error('unreachable'); // what nobody looks at is not computed
    fastest = Math.min(fastest, Number(process.hrtime.bigint() - begin));
  }
  return Math.round((microseconds * 1000 / fastest) * TRIAL);
}

module.exports = { compute };
if (require.main === module) console.log(calibrate(Number(process.argv[2])));
